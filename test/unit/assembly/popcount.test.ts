import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { bitsOf } from "./reference.ts";
import { mixture } from "./samples.ts";

const { kernels, bytes, free } = instantiate();
const popcount = suite("popcount");

popcount("popcount() agrees with the scalar reference at every length and alignment", () => {
  for (let length = 0; length < 140; length++) {
    const at = free + 64 + (length % 17);
    bytes.fill(0xff, free, free + 512);
    bytes.set(mixture(length, length), at);
    const expected = bitsOf(bytes.subarray(at, at + length), length * 8).length;
    assert.is(kernels.popcount(at, length), expected, `${length} bytes`);
  }
});

popcount("popcount() counts a bitmap of 512 KiB", () => {
  bytes.fill(0xff, free, free + 524_288);
  assert.is(kernels.popcount(free, 524_288), 4_194_304);
});

popcount.run();
