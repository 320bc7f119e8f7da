import assert from "node:assert/strict";
import { type Options, type OptionSpec, resolveOptions } from "../../net/options.ts";

const specs: readonly OptionSpec[] = [
  { name: "latent", default: 2, min: 1, max: 64, meaning: "size of the bottleneck" },
  { name: "rate", default: 0.5, min: 0, max: 1, fraction: true, meaning: "of dropout" },
  { name: "filters", default: [32, 64], min: 1, meaning: "of each layer" },
  { name: "head", default: "sigmoid", choices: ["sigmoid", "linear"], meaning: "of the output" },
  { name: "peephole", default: false, meaning: "gates see the cell" },
];

Deno.test("resolveOptions gives every declared option, as given or by default", () => {
  const defaults = { latent: 2, rate: 0.5, filters: [32, 64], head: "sigmoid", peephole: false };
  assert.deepEqual(resolveOptions(specs, {}, "m"), defaults);
  const given = { latent: 6, rate: 0.25, filters: [8], head: "linear", peephole: true };
  assert.deepEqual(resolveOptions(specs, given, "m"), given);
  // One number is a list of one where a list is declared.
  assert.deepEqual(resolveOptions(specs, { filters: 8 }, "m"), { ...defaults, filters: [8] });
});

Deno.test("resolveOptions refuses what is not declared, and names what is", () => {
  assert.throws(() => resolveOptions(specs, { latnt: 3 }, "--model vae"), {
    name: "OptionError",
    message:
      /^Unknown option "latnt" of --model vae: choose from latent, size of .* \(default: 2\);/,
  });
  assert.throws(() => resolveOptions([], { a: 1 }, "--model m"), {
    message: 'Unknown option "a" of --model m: it has none; leave them out',
  });
  const wrong: [Options, string][] = [
    [{ latent: 0 }, "whole numbers from 1 up to 64: found 0"],
    [{ latent: 2.5 }, "whole numbers from 1 up to 64: found 2.5"],
    [{ latent: "two" }, 'whole numbers from 1 up to 64: found "two"'],
    [{ rate: 1.5 }, "numbers from 0 up to 1: found 1.5"],
    [{ filters: [8, 0] }, "a list of whole numbers from 1: found [8,0]"],
    [{ filters: [] }, "a list of numbers: found []"],
    [{ head: "tanh" }, 'one of sigmoid, linear: found "tanh"'],
    [{ peephole: 1 }, "true or false: found 1"],
  ];
  for (const [given, told] of wrong) {
    const [name] = Object.keys(given);
    const message = `Option "${name}" of m must be ${told}`;
    assert.throws(() => resolveOptions(specs, given, "m"), { message });
  }
});
