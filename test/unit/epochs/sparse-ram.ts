// Guest RAM that is zero but for some pages: any size costs nothing.
import { decodePages } from "../../../epochs/delta.ts";
import { Kernel, loadKernelModule, PAGE_BYTES } from "../../../epochs/kernel.ts";

const receiver = new Kernel(loadKernelModule());

export class SparseRam {
  /** Page number -> the byte that it is filled with. */
  readonly pages = new Map<number, number>();

  readInto = (view: Uint8Array, position: number): number => {
    for (let offset = 0; offset < view.length; offset += PAGE_BYTES) {
      const filling = this.pages.get((position + offset) / PAGE_BYTES) ?? 0;
      view.fill(filling, offset, offset + PAGE_BYTES);
    }
    return view.length;
  };

  /** Does what a payload says; returns the numbers of the pages it wrote. */
  apply(payload: Uint8Array, ramBytes: number): number[] {
    const written: number[] = [];
    decodePages(receiver, payload, ramBytes, this.readInto, ({ position, length, bytes }) => {
      for (let offset = 0; offset < length; offset += PAGE_BYTES) {
        const page = (position + offset) / PAGE_BYTES;
        written.push(page);
        if (bytes === "zero") this.pages.delete(page);
        else this.pages.set(page, bytes[offset]!);
      }
    });
    return written.toSorted((a, b) => a - b);
  }
}
