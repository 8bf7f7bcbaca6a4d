// The WASM core: what the host calls, and where it finds the regions. See layout.ts.

export { decodeBlocks, encodeBlocks } from "./blocks";
export { compare } from "./compare";
export { compress, compressNarrow, compressWide } from "./compress";
export { compressPage } from "./compress-page";
export { decompress } from "./decompress";
export { DELTA_BYTES_MAX, decodeDelta, encodeDelta } from "./delta";
export {
  BITMAP_BYTES,
  BLOCK_BYTES,
  bitmap,
  changed,
  check,
  deltas,
  encoded,
  lengths,
  PAGE_BYTES,
  PAIRS_MAX,
  pairs,
  staged,
  WINDOW_PAGES,
  window,
  zero,
} from "./layout";
export { list } from "./list";
export { pagemap } from "./pagemap";
export { copyPages, gatherPages } from "./pages";
export { popcount } from "./popcount";
export { runs } from "./runs";
export { xbzrleDecode, xbzrleEncode } from "./xbzrle";
export { xxh3, xxh3Pages } from "./xxh3";
export { xxh64, xxh64Pages } from "./xxh64";
export { zeroPages } from "./zero";
