import assert from "node:assert/strict";
import {
  type Ball,
  bouncingBalls,
  type BouncingBallsOptions,
  moveBalls,
} from "../../datasets/bouncing_balls.ts";
import { DatasetError } from "../../datasets/dataset.ts";

const options: BouncingBallsOptions = {
  frameSize: [64, 80],
  balls: 3,
  anomalies: false,
  sequenceFrames: 20,
  sequenceFramesMin: 20,
  sequences: 3,
  validationSequences: 1,
  testSequences: 40,
  endless: false,
};
const whole = { split: "test", epoch: 0, sequence: 0, offset: 0, frames: 20 } as const;

Deno.test("moveBalls() keeps energy, and momentum where no wall is hit", () => {
  const box = { height: 1000, width: 1000 };
  // Towards each other off the centre line, so that the collision turns both.
  const balls: Ball[] = [
    { x: 500, y: 500, velocityX: 0.4, velocityY: 0.1 },
    { x: 503, y: 501, velocityX: -0.3, velocityY: 0 },
  ];
  const sum = () => [
    balls.reduce((total, ball) => total + ball.velocityX, 0),
    balls.reduce((total, ball) => total + ball.velocityY, 0),
    balls.reduce((total, ball) => total + ball.velocityX ** 2 + ball.velocityY ** 2, 0),
  ];
  const before = sum();
  const [velocityX] = [balls[0].velocityX];
  for (let move = 0; move < 20; move++) moveBalls(balls, box, 0.5);
  assert.notEqual(balls[0].velocityX, velocityX, "they met");
  sum().forEach((value, index) => assert.ok(Math.abs(value - before[index]) < 1e-12));
});

Deno.test("moveBalls() reflects at each wall", () => {
  const box = { height: 10, width: 10 };
  const balls: Ball[] = [{ x: 8.7, y: 1.3, velocityX: 0.4, velocityY: -0.4 }];
  moveBalls(balls, box, 0.5);
  assert.deepEqual([balls[0].velocityX, balls[0].velocityY], [-0.4, 0.4]);
});

Deno.test("bouncingBalls() shows the mass of its balls at all times, inside of the frame", async () => {
  const dataset = bouncingBalls(options, 1);
  assert.deepEqual(dataset.frameShape, [64, 80, 1]);
  for (let sequence = 0; sequence < 5; sequence++) {
    const frames = await dataset.read({ ...whole, sequence });
    assert.equal(frames.length, 20 * 64 * 80);
    for (let frame = 0; frame < 20; frame++) {
      const ink = frames.subarray(frame * 5120, (frame + 1) * 5120).reduce((a, b) => a + b, 0);
      // Of one ball: the integral of exp(-(d/r)^8) over the plane is 0.906 pi r^2, in pixels.
      const ball = 0.9064 * Math.PI * (1.2 * 6.4) ** 2;
      assert.ok(Math.abs(ink / (3 * ball) - 1) < 0.06, `frame ${frame}: ${ink} of ${3 * ball}`);
    }
  }
});

Deno.test("bouncingBalls() gives the same sequence for the same seed, and any run of it", async () => {
  const [one, two, other] = [1, 1, 2].map((seed) => bouncingBalls(options, seed));
  const frames = await one.read(whole);
  assert.deepEqual(await two.read(whole), frames);
  assert.notDeepEqual(await other.read(whole), frames);
  assert.deepEqual(
    await one.read({ ...whole, offset: 7, frames: 2 }),
    frames.subarray(7 * 5120, 9 * 5120),
  );
});

Deno.test("bouncingBalls() with anomalies marks the frames of half of the test sequences", async () => {
  const dataset = bouncingBalls({ ...options, anomalies: true }, 1);
  assert.deepEqual(dataset.targetShape, [1]);
  const plain = bouncingBalls(options, 1);
  let odd = 0;
  for (let sequence = 0; sequence < 40; sequence++) {
    const answers = await dataset.readTargets!({ ...whole, sequence });
    const first = answers.indexOf(1);
    if (first >= 0) odd++;
    assert.ok(first === -1 || first >= 10, "the first half is as it should be");
    // A test sequence is drawn apart from those without anomalies only after its balls.
    const same = first < 0 ? 20 : first;
    const span = { ...whole, sequence, frames: same };
    assert.deepEqual(await dataset.read(span), await plain.read(span));
    if (first >= 0) {
      const at = { ...whole, sequence, offset: first, frames: 20 - first };
      assert.notDeepEqual(await dataset.read(at), await plain.read(at));
    }
  }
  assert.ok(odd >= 12 && odd <= 28, `${odd} of 40`);
  for (const split of ["train", "validation"] as const) {
    assert.ok((await dataset.readTargets!({ ...whole, split })).every((value) => value === 0));
  }
});

Deno.test("bouncingBalls() says what cannot be", () => {
  assert.throws(
    () => bouncingBalls({ ...options, balls: 20 }, 1),
    (error) => error instanceof DatasetError && /20 balls fill \d+ %/.test(error.message),
  );
  assert.throws(() => bouncingBalls({ ...options, balls: 0 }, 1), /balls must be.*found 0/);
});
