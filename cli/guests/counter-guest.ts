/**
 * The counter guest: a boot sector that fills pages of memory with a counter, checks each round
 * that none of them lost it, and prints it. A torn restore shows at once.
 *
 * Every round, for each page in [1 MiB, 1 MiB + pages * 4 KiB): the words at offset 0 and 2048 must
 * hold the counter of the round before (else it prints `!` and halts for ever), then take the new
 * one. Then it prints `C XXXXXXXX` and a newline on COM1 and rests for `delay` ticks of 10 ms.
 *
 *   0x7000  stack, growing down
 *   0x7c00  this sector; its one interrupt gate is the timer's (vector 8, where the BIOS left it),
 *           the two patched words are at its end
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { Assembler } from "./assembler.ts";

export interface CounterOptions {
  /** Pages of 4 KiB from 1 MiB up; the guest needs 2 MiB of memory more than they take. */
  readonly pages: number;
  /** Timer ticks of 10 ms between two rounds; 0 never rests. */
  readonly delay: number;
}

const ORIGIN = 0x7c00;
const SECTOR_BYTES = 512;
/** The smallest disk that every part of QEMU takes without a word. */
const DISK_BYTES = 1024 * 1024;
const COM1 = 0x3f8;
const PAGE_BASE = 0x10_0000;
/** 1193182 Hz divided by this is 100 Hz. */
const TIMER_DIVISOR = 11_932;
const PAGES_OFFSET = 0x1f0;
const DELAY_OFFSET = 0x1f4;

/** Writes a raw boot disk of 1 MiB with the counter guest on it. */
export async function makeBootDisk(path: string, options: CounterOptions): Promise<void> {
  const disk = new Uint8Array(DISK_BYTES);
  disk.set(counterSector(options));
  await writeFile(path, disk);
}

/** The boot sector, 512 bytes. */
export function counterSector({ pages, delay }: CounterOptions): Uint8Array {
  assert(Number.isInteger(pages) && pages > 0 && pages <= 0xf_0000, `pages: ${pages}`);
  assert(Number.isInteger(delay) && delay >= 0 && delay <= 0x7fff_ffff, `delay: ${delay}`);
  const program = assembleCounter();
  assert(program.length <= PAGES_OFFSET, `the program has ${program.length} bytes`);
  const sector = new Uint8Array(SECTOR_BYTES);
  sector.set(program);
  const view = new DataView(sector.buffer);
  view.setUint32(PAGES_OFFSET, pages, true);
  view.setUint32(DELAY_OFFSET, delay, true);
  view.setUint16(SECTOR_BYTES - 2, 0xaa55, true);
  return sector;
}

function assembleCounter(): Uint8Array {
  const code = new Assembler(ORIGIN);
  enterProtectedMode(code);
  setUpTimer(code);
  clearPages(code);
  countRounds(code);
  printing(code);
  tables(code);
  return code.assemble();
}

/** From the BIOS's 16 bits to flat 32 bits, address line 20 on. */
function enterProtectedMode(code: Assembler): void {
  code
    .emit(0xfa) // cli
    .emit(0x31, 0xc0) // xor ax, ax
    .emit(0x8e, 0xd8) // mov ds, ax
    .emit(0xe4, 0x92, 0x0c, 0x02, 0xe6, 0x92) // in al, 92h; or al, 2; out 92h, al
    .emit(0x0f, 0x01, 0x16) // lgdt [gdtr]
    .address("gdtr", 2)
    .emit(0x0f, 0x20, 0xc0) // mov eax, cr0
    .emit(0x66, 0x83, 0xc8, 0x01) // or eax, 1
    .emit(0x0f, 0x22, 0xc0) // mov cr0, eax
    .emit(0xea) // jmp 8:flat
    .address("flat", 2)
    .emit(0x08, 0x00)
    .label("flat")
    .emit(0x66, 0xb8, 0x10, 0x00) // mov ax, 10h
    .emit(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0) // mov ds, ax; mov es, ax; mov ss, ax
    .emit(0xbc) // mov esp, 7000h
    .dword(0x7000);
}

/** Only the timer may interrupt, and only to end a `hlt`. */
function setUpTimer(code: Assembler): void {
  code
    .emit(0x0f, 0x01, 0x1d) // lidt [idtr]
    .address("idtr", 4)
    .emit(0xb0, 0xfe, 0xe6, 0x21) // mov al, feh; out 21h, al
    .emit(0xb0, 0xff, 0xe6, 0xa1) // mov al, ffh; out a1h, al
    .emit(0xb0, 0x34, 0xe6, 0x43) // mov al, 34h; out 43h, al
    .emit(0xb0, TIMER_DIVISOR & 255, 0xe6, 0x40) // mov al, low; out 40h, al
    .emit(0xb0, TIMER_DIVISOR >> 8, 0xe6, 0x40); // mov al, high; out 40h, al
}

/** The BIOS may have used the pages: they begin at zero, as the counter does. */
function clearPages(code: Assembler): void {
  code
    .emit(0x31, 0xdb) // xor ebx, ebx: the counter
    .emit(0xbf) // mov edi, base
    .dword(PAGE_BASE)
    .emit(0x8b, 0x0d) // mov ecx, [pages]
    .dword(ORIGIN + PAGES_OFFSET)
    .label("clear")
    .emit(0x89, 0x1f) // mov [edi], ebx
    .emit(0x89, 0x9f) // mov [edi + 2048], ebx
    .dword(2048)
    .emit(0x81, 0xc7) // add edi, 4096
    .dword(4096)
    .emit(0xe2) // loop clear
    .distance("clear", 1);
}

function countRounds(code: Assembler): void {
  code
    .label("round")
    .emit(0x89, 0xde) // mov esi, ebx: the round before
    .emit(0x43) // inc ebx
    .emit(0xbf) // mov edi, base
    .dword(PAGE_BASE)
    .emit(0x8b, 0x0d) // mov ecx, [pages]
    .dword(ORIGIN + PAGES_OFFSET)
    .label("page")
    .emit(0x39, 0x37, 0x75) // cmp [edi], esi; jne torn
    .distance("torn", 1)
    .emit(0x39, 0xb7) // cmp [edi + 2048], esi
    .dword(2048)
    .emit(0x75) // jne torn
    .distance("torn", 1)
    .emit(0x89, 0x1f) // mov [edi], ebx
    .emit(0x89, 0x9f) // mov [edi + 2048], ebx
    .dword(2048)
    .emit(0x81, 0xc7) // add edi, 4096
    .dword(4096)
    .emit(0xe2) // loop page
    .distance("page", 1)
    .emit(0xe8) // call report
    .distance("report", 4)
    .emit(0x8b, 0x0d) // mov ecx, [delay]
    .dword(ORIGIN + DELAY_OFFSET)
    .emit(0xe3) // jecxz round
    .distance("round", 1)
    .emit(0xfb) // sti
    .label("rest")
    .emit(0xf4, 0xe2) // hlt; loop rest
    .distance("rest", 1)
    .emit(0xfa, 0xeb) // cli; jmp round
    .distance("round", 1)
    .label("torn")
    .emit(0xb0, 0x21, 0xe8) // mov al, '!'; call put
    .distance("put", 4)
    .emit(0xb0, 0x0a, 0xe8) // mov al, newline; call put
    .distance("put", 4)
    .label("halt")
    .emit(0xfa, 0xf4, 0xeb) // cli; hlt; jmp halt
    .distance("halt", 1);
}

/** `report` prints the line of counter ebx; `put` prints al when the transmitter is empty. */
function printing(code: Assembler): void {
  code
    .label("report")
    .emit(0xb0, 0x43, 0xe8) // mov al, 'C'; call put
    .distance("put", 4)
    .emit(0xb0, 0x20, 0xe8) // mov al, ' '; call put
    .distance("put", 4)
    .emit(0x89, 0xdd) // mov ebp, ebx
    .emit(0xb9) // mov ecx, 8
    .dword(8)
    .label("digit")
    .emit(0xc1, 0xc5, 0x04) // rol ebp, 4
    .emit(0x89, 0xe8) // mov eax, ebp
    .emit(0x24, 0x0f) // and al, 15
    .emit(0x3c, 0x0a, 0x72, 0x02) // cmp al, 10; jb over the next
    .emit(0x04, 0x07) // add al, 'A' - '0' - 10
    .emit(0x04, 0x30, 0xe8) // add al, '0'; call put
    .distance("put", 4)
    .emit(0xe2) // loop digit
    .distance("digit", 1)
    .emit(0xb0, 0x0a) // mov al, newline; and on into put
    .label("put")
    .emit(0x88, 0xc4) // mov ah, al
    .emit(0x66, 0xba, (COM1 + 5) & 255, (COM1 + 5) >> 8) // mov dx, line status
    .label("wait")
    .emit(0xec, 0xa8, 0x20, 0x74) // in al, dx; test al, 20h; jz wait
    .distance("wait", 1)
    .emit(0x66, 0xba, COM1 & 255, COM1 >> 8) // mov dx, data
    .emit(0x88, 0xe0, 0xee, 0xc3); // mov al, ah; out dx, al; ret
}

function tables(code: Assembler): void {
  code
    .label("timer")
    .emit(0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf) // push eax; end of interrupt; pop eax; iret
    .label("gdt")
    .emit(0, 0, 0, 0, 0, 0, 0, 0)
    .emit(0xff, 0xff, 0, 0, 0, 0x9a, 0xcf, 0) // 8: code, flat
    .emit(0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0) // 10h: memory, flat
    .label("gdtr")
    .emit(23, 0)
    .address("gdt", 4)
    // The table begins eight gates before the only one: the first seven are never looked at.
    .label("gate")
    .address("timer", 2)
    .emit(0x08, 0x00, 0x00, 0x8e, 0x00, 0x00)
    .label("idtr")
    .emit(71, 0)
    .dword(ORIGIN + code.offsetOf("gate") - 64);
}
