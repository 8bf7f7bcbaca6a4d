/**
 * Network adapters that are real to the kernel and driven from here: TAP devices
 * (Documentation/networking/tuntap.rst). Their counters and carrier are the kernel's own.
 *
 * Node has no ioctl: koffi calls it. The numbers are those of x86-64 and arm64, from
 * <linux/if_tun.h>, <linux/if_packet.h> and <asm-generic/ioctl.h>.
 * @module
 */
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import koffi from "koffi";
import { codeOf } from "../../runtime/small-files.ts";

export interface Tap {
  readonly name: string;
  /** The cable: what a link partner does. */
  setCarrier(up: boolean): void;
  /** The administrator: `ip link set NAME up|down`. */
  setUp(up: boolean): void;
  /** Hands the adapter a frame from the wire. False if the kernel refused it: it is down. */
  arrive(frame: Uint8Array): boolean;
  /** Has the kernel send a frame; nobody takes it from the queue, so the queue fills up. */
  depart(frame: Uint8Array): void;
  /** A file of /sys/class/net/NAME, without its line end. */
  file(path: string): string;
  close(): void;
}

/** An Ethernet broadcast of an unused type (IEEE 802, local experiments), as short as may be. */
export const FRAME = Buffer.concat([
  Buffer.alloc(6, 0xff),
  Buffer.from("024c00000001", "hex"),
  Buffer.from("88b5", "hex"),
  Buffer.alloc(46),
]);

const TUNSETIFF = 0x4004_54ca;
const TUNSETCARRIER = 0x4004_54e2;
const IFF_TAP_WITHOUT_HEADER = 0x1002;
const IFREQ_BYTES = 40;
const IFREQ_NAME_BYTES = 16;
const AF_PACKET = 17;
const SOCK_RAW = 3;
const IFF_UP = 1;

/** Opens the adapter `name`; it is gone when this process is. Needs CAP_NET_ADMIN. */
export function openTap(name: string): Tap {
  const c = libc();
  const tun = openSync("/dev/net/tun", "r+");
  const request = Buffer.alloc(IFREQ_BYTES);
  request.write(name);
  request.writeUInt16LE(IFF_TAP_WITHOUT_HEADER, IFREQ_NAME_BYTES);
  assert.equal(c.ioctl(tun, TUNSETIFF, request), 0, `cannot make the adapter ${name}`);
  const folder = `/sys/class/net/${name}`;
  const file = (path: string): string => readFileSync(`${folder}/${path}`, "utf8").trim();
  const sender = c.socket(AF_PACKET, SOCK_RAW, 0);
  assert.ok(sender >= 0, "cannot open a packet socket");
  return {
    name,
    file,
    setCarrier(up) {
      const value = Buffer.alloc(4);
      value.writeInt32LE(up ? 1 : 0);
      assert.equal(c.ioctl(tun, TUNSETCARRIER, value), 0, `cannot set the carrier of ${name}`);
    },
    setUp(up) {
      const flags = Number(file("flags"));
      writeFileSync(`${folder}/flags`, `0x${(up ? flags | 1 : flags & ~IFF_UP).toString(16)}`);
    },
    arrive(frame) {
      try {
        return writeSync(tun, frame) === frame.length;
      } catch (thrown) {
        if (codeOf(thrown) !== "EIO") throw thrown;
        return false;
      }
    },
    depart(frame) {
      const address = packetAddress(Number(file("ifindex")));
      c.sendto(sender, frame, frame.length, 0, address, address.length);
    },
    close() {
      closeSync(sender);
      closeSync(tun);
    },
  };
}

/** struct sockaddr_ll: family, protocol, interface; the hardware address is in the frame. */
function packetAddress(index: number): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeInt32LE(index, 4);
  return address;
}

function libc() {
  const library = koffi.load("libc.so.6");
  return {
    ioctl: library.func("int ioctl(int, unsigned long, void *)") as unknown as (
      descriptor: number,
      request: number,
      argument: Uint8Array,
    ) => number,
    socket: library.func("int socket(int, int, int)") as unknown as (
      family: number,
      type: number,
      protocol: number,
    ) => number,
    sendto: library.func("long sendto(int, void *, size_t, int, void *, uint)") as unknown as (
      descriptor: number,
      bytes: Uint8Array,
      length: number,
      flags: number,
      address: Uint8Array,
      addressLength: number,
    ) => number,
  };
}
