// How many bits are set.

/** The set bits of `bytes` bytes at `bitmap`. */
export function popcount(bitmap: usize, bytes: u32): u32 {
  const end = bitmap + bytes;
  let a: u64 = 0;
  let b: u64 = 0;
  let c: u64 = 0;
  let d: u64 = 0;
  // Four sums, so that no addition waits for the one before.
  for (; end - bitmap >= 32; bitmap += 32) {
    a += popcnt(load<u64>(bitmap, 0));
    b += popcnt(load<u64>(bitmap, 8));
    c += popcnt(load<u64>(bitmap, 16));
    d += popcnt(load<u64>(bitmap, 24));
  }
  for (; end - bitmap >= 8; bitmap += 8) a += popcnt(load<u64>(bitmap));
  for (; bitmap < end; bitmap++) b += <u64>popcnt(<u32>load<u8>(bitmap));
  return <u32>(a + b + c + d);
}
