/**
 * Just enough of an assembler for a boot sector: bytes, labels, and references to labels that are
 * filled in at the end. A fresh machine has neither nasm nor a compiler.
 */
import assert from "node:assert/strict";

interface Fixup {
  readonly at: number;
  readonly label: string;
  readonly width: 1 | 2 | 4;
  /** Relative ones count from the end of the reference, as x86 jumps do. */
  readonly relative: boolean;
}

export class Assembler {
  private readonly origin: number;
  private readonly bytes: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly fixups: Fixup[] = [];

  /** `origin` is the address that the first byte is loaded to. */
  constructor(origin: number) {
    this.origin = origin;
  }

  label(name: string): this {
    assert(!this.labels.has(name), `label ${name} is there twice`);
    this.labels.set(name, this.bytes.length);
    return this;
  }

  /** Instruction or literal bytes. */
  emit(...bytes: readonly number[]): this {
    this.bytes.push(...bytes);
    return this;
  }

  /** A little-endian 32-bit literal. */
  dword(value: number): this {
    return this.emit(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
  }

  /** The address of `label`, plus nothing, in `width` bytes. */
  address(label: string, width: 2 | 4): this {
    return this.refer(label, width, false);
  }

  /** The distance to `label`: the operand of a short (1) or near (4) jump or call. */
  distance(label: string, width: 1 | 4): this {
    return this.refer(label, width, true);
  }

  /** Where `label` is, from the first byte. */
  offsetOf(label: string): number {
    const offset = this.labels.get(label);
    assert(offset !== undefined, `no label ${label}`);
    return offset;
  }

  /** The program, every reference filled in. */
  assemble(): Uint8Array {
    const program = Uint8Array.from(this.bytes);
    const view = new DataView(program.buffer);
    for (const { at, label, width, relative } of this.fixups) {
      const target = this.offsetOf(label);
      const value = relative ? target - (at + width) : target + this.origin;
      if (width === 1) {
        assert(value >= -128 && value <= 127, `${label} is too far for a short jump`);
        view.setInt8(at, value);
      } else if (width === 2) view.setUint16(at, value, true);
      else view.setInt32(at, value, true);
    }
    return program;
  }

  private refer(label: string, width: 1 | 2 | 4, relative: boolean): this {
    this.fixups.push({ at: this.bytes.length, label, width, relative });
    return this.emit(...new Array<number>(width).fill(0));
  }
}
