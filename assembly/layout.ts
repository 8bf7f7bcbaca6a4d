// Where everything lies in the linear memory of one instance, and the limits of each kernel.
//
//   0             tables and scratch of single kernels, each in the kernel's own file
//   window        1 MiB   the guest's pages as they are now; the host reads straight into it
//   staged        1 MiB   page contents on their way: input of the encoder, output of the decoder
//   encoded       1 MiB   and a little: output of the encoder, input of the decoder
//   changed       one bit a page of the window, least significant first
//   zero          the same: which of the changed pages hold nothing but zeros
//   deltas        the same: which of the rest travel as differences
//   lengths       512     how long each of those is, as u16
//   check         8       a hash over what they come to
//   bitmap        512 KiB bits of up to 16 GiB of pages, input of `runs` and `list`
//   pairs         32 KiB  output of `runs` and `list`
//   (64 KiB end)  shadow: what the receiver has; the host appends it by one memory.grow
//
// All is static: nothing allocates, so the host's views stay valid for the life of the instance.
// Copies run in steps of 16 bytes and may touch up to 16 bytes behind what they were asked for,
// so each region that is copied to or from ends in SLACK bytes that belong to nobody.

export const PAGE_BYTES: u32 = 4096;
export const WINDOW_PAGES: u32 = 256;
export const WINDOW_BYTES: u32 = 256 * 4096;
/** The unit of compression: matches never reach across a block. */
export const BLOCK_BYTES: u32 = 65536;
export const BITMAP_BYTES: u32 = 524288;
/** Most (start, length) pairs that one call of `runs` gives. */
export const PAIRS_MAX: u32 = 4096;

/** What a 64 KiB block can grow to while it is tried: a byte more for every 255 literals. */
const BLOCK_BOUND: u32 = 65536 + 65536 / 255 + 16;
/** A window of blocks that would not compress, one length before each, and room for one trial. */
const ENCODED_BYTES: u32 = 16 * (4 + 65536) + (BLOCK_BOUND - 65536);
const SLACK: u32 = 32;

export const window: usize = memory.data(WINDOW_BYTES + SLACK, 16);
export const staged: usize = memory.data(WINDOW_BYTES + SLACK, 16);
export const encoded: usize = memory.data(ENCODED_BYTES + SLACK, 16);
export const changed: usize = memory.data(WINDOW_PAGES / 8, 16);
export const zero: usize = memory.data(WINDOW_PAGES / 8, 16);
export const deltas: usize = memory.data(WINDOW_PAGES / 8, 16);
export const lengths: usize = memory.data(WINDOW_PAGES * 2, 16);
export const check: usize = memory.data(8, 16);
export const bitmap: usize = memory.data(BITMAP_BYTES + SLACK, 16);
export const pairs: usize = memory.data(PAIRS_MAX * 8, 16);
