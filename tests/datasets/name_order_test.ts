import assert from "node:assert/strict";
import { compareNames, comparePaths, sameNumbersKey } from "../../datasets/name_order.ts";

Deno.test("compareNames() sorts numbers by their value and their sign", () => {
  const orders = [
    ["1.png", "2.png", "10.png", "100.png"],
    ["-10.png", "-3.png", "-1.png", "0.png", "+1.png", "2.png"],
    ["t_-2.png", "t_-1.png", "t_0.png", "t_1.png"],
    ["lead=-20min.png", "lead=-5min.png", "lead=0min.png", "lead=5min.png"],
    ["a--2.png", "a--1.png"],
    ["\u22123.png", "\u22121.png", "0.png"],
    // A minus between two parts of a name is none.
    ["2023-12-31.png", "2024-01-02.png", "2024-01-10.png"],
    ["frame-1.png", "frame-2.png", "frame-10.png"],
    ["1317009457.8.png", "1317009457.9.png", "1317009457.10.png", "1317009458.0.png"],
    ["img.png", "img1.png", "img2.png"],
    ["a1", "A2", "a3"],
  ];
  for (const order of orders) {
    // From any order that a disk may list them in.
    assert.deepEqual([...order].sort(compareNames), order);
    assert.deepEqual([...order].reverse().sort(compareNames), order);
    assert.deepEqual([...order].sort().sort(compareNames), order);
  }
  assert.notEqual(compareNames("1.png", "001.png"), 0);
  assert.equal(compareNames("1.png", "001.png"), -compareNames("001.png", "1.png"));
});

Deno.test("comparePaths() has parents before children, in the order of each part", () => {
  const order = ["", "a", "a/b", "a/b/c", "a/b2", "a/b10", "a-1", "a-2/x", "b"];
  assert.deepEqual([...order].reverse().sort(comparePaths), order);
});

Deno.test("sameNumbersKey() is that of equal numbers", () => {
  for (
    const [one, two] of [["1", "001"], ["a-07b", "A-7b"], ["-3", "-03"], ["+2", "2"], ["0", "00"]]
  ) {
    assert.equal(sameNumbersKey(one), sameNumbersKey(two));
  }
  for (const [one, two] of [["1", "10"], ["-3", "3"], ["a1", "b1"], ["1_2", "12"]]) {
    assert.notEqual(sameNumbersKey(one), sameNumbersKey(two));
  }
});
