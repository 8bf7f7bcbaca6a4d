/**
 * A simulated server on which nothing is wrong, and much happens: links with bursts of errors,
 * modules that correct one, days and seasons, work that comes and goes, fans that follow it,
 * driver reloads, reboots and suspends. Rates are assumptions on the bad side of healthy.
 *
 * Time moves as its caller wills; in between, counts are Poisson and gauges relax towards where
 * their causes pull them, so a year may be looked at each second or each hour.
 */
import type { Component, Reading, Signal } from "../predictor/reading.ts";

export interface HostSize {
  readonly nic: number;
  readonly disk: number;
  readonly memory: number;
  readonly temperature: number;
  readonly fan: number;
  readonly power: number;
  readonly pcie: number;
}

export const SMALL: HostSize = {
  nic: 1,
  disk: 1,
  memory: 2,
  temperature: 2,
  fan: 1,
  power: 1,
  pcie: 1,
};
/** Eight adapters, 24 disks and 60 inputs of hwmon. */
export const LARGE: HostSize = {
  nic: 8,
  disk: 24,
  memory: 16,
  temperature: 40,
  fan: 12,
  power: 8,
  pcie: 20,
};

export interface HealthyHost {
  /** When something sudden happens next; look closely from there. */
  readonly nextEventMs: number;
  /** Moves to `atMs`. Readings are empty while the server is down. */
  readings(atMs: number): readonly Reading[];
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365.25 * DAY_MS;

/** How often a year each sudden thing happens to one server or to one of its devices. */
const EVENTS_A_YEAR = {
  "link-burst": 24,
  "link-loss": 12,
  "switch-update": 2,
  "memory-burst": 6,
  "bus-burst": 6,
  spike: 26,
  "driver-reload": 4,
  reboot: 6,
  suspend: 1,
} as const;
type EventKind = keyof typeof EVENTS_A_YEAR;
const KINDS = Object.keys(EVENTS_A_YEAR) as EventKind[];

const BURST_MS = 30 * SECOND_MS;
const BURST_ERRORS_A_SECOND = 200;
const UPDATE_GAP_MS = 3 * MINUTE_MS;
const REBOOT_MS = 5 * MINUTE_MS;
const SUSPEND_MS = 6 * HOUR_MS;

/** Of an adapter, each second at full load; a hundredth of what is judged to be too much. */
const FRAMES_A_SECOND = 100_000;
const CRC_ERRORS_A_FRAME = 1e-10;
const MEGABITS = 25_000;
const SYMBOL_ERRORS_A_BIT = 1e-14;
const CODEWORDS_A_MS = (MEGABITS * 1_000) / 5_440;
const CORRECTED_A_CODEWORD = 1e-4;
const CORRECTED_WORDS_A_DAY = 0.5;
const CORRECTED_PACKETS_A_DAY = 2;

interface Link {
  frames: number;
  crcErrors: number;
  losses: number;
  symbolErrors: number;
  corrected: number;
  uncorrectable: number;
  burstUntilMs: number;
}

interface World {
  readonly size: HostSize;
  readonly chance: () => number;
  atMs: number;
  boot: number;
  downUntilMs: number;
  load: number;
  loadTarget: number;
  loadUntilMs: number;
  spikes: number;
  readonly links: Link[];
  readonly memory: number[];
  readonly bus: number[];
  /** Each sensor's own warmth over the room, idle. */
  readonly warmth: readonly number[];
  readonly celsius: number[];
}

/** A server of its own for each `chance`. */
export function healthyHost(size: HostSize, chance: () => number): HealthyHost {
  const world: World = {
    size,
    chance,
    atMs: 0,
    boot: 1,
    downUntilMs: 0,
    load: 0.3,
    loadTarget: 0.3,
    loadUntilMs: 0,
    spikes: 0,
    links: Array.from({ length: size.nic }, newLink),
    memory: Array<number>(size.memory).fill(0),
    bus: Array<number>(size.pcie).fill(0),
    warmth: Array.from({ length: size.temperature }, () => 5 + 20 * chance()),
    celsius: Array<number>(size.temperature).fill(40),
  };
  const due = new Map(KINDS.map((kind) => [kind, wait(world, kind)]));
  let nextEventMs = Math.min(...due.values());
  return {
    get nextEventMs() {
      return nextEventMs;
    },
    readings(atMs) {
      pass(world, atMs);
      if (atMs >= nextEventMs) {
        for (const [kind, dueMs] of due) {
          if (dueMs > atMs) continue;
          happen(world, kind);
          due.set(kind, atMs + wait(world, kind));
        }
        nextEventMs = Math.min(...due.values());
      }
      return atMs < world.downUntilMs ? [] : readingsOf(world);
    },
  };
}

function newLink(): Link {
  const counts = { symbolErrors: 0, corrected: 0, uncorrectable: 0, burstUntilMs: 0 };
  return { frames: 0, crcErrors: 0, losses: 0, ...counts };
}

/** Exponential; what happens to a device happens more often where there are more of them. */
function wait({ chance, size }: World, kind: EventKind): number {
  const devices =
    kind === "link-burst" || kind === "link-loss"
      ? size.nic
      : kind === "memory-burst"
        ? size.memory
        : kind === "spike"
          ? size.temperature
          : 1;
  return (-Math.log(1 - chance()) * YEAR_MS) / (EVENTS_A_YEAR[kind] * devices);
}

function happen(world: World, kind: EventKind): void {
  const { chance, links, memory, bus, atMs } = world;
  const some = (count: number): number => Math.floor(chance() * count);
  switch (kind) {
    case "link-burst":
      links[some(links.length)]!.burstUntilMs = atMs + BURST_MS;
      break;
    case "link-loss":
      lose(links[some(links.length)]!, 1);
      break;
    case "switch-update":
      for (const link of links) lose(link, atMs % UPDATE_GAP_MS < UPDATE_GAP_MS / 2 ? 1 : 2);
      break;
    case "memory-burst":
      memory[some(memory.length)]! += 500;
      break;
    case "bus-burst":
      bus[some(bus.length)]! += 500;
      break;
    case "spike":
      world.spikes = 1;
      break;
    case "driver-reload":
      links[some(links.length)] = newLink();
      break;
    case "reboot":
      world.downUntilMs = atMs + REBOOT_MS;
      world.boot += 1;
      links.forEach((_, index) => {
        links[index] = newLink();
      });
      memory.fill(0);
      bus.fill(0);
      break;
    case "suspend":
      world.downUntilMs = atMs + SUSPEND_MS;
  }
}

/** A link that comes and goes loses a few codewords each time. */
function lose(link: Link, times: number): void {
  link.losses += times;
  link.uncorrectable += 3 * times;
}

const LOAD_HOURS = 6;
const LOAD_SETTLES_MS = 3 * MINUTE_MS;
const HEAT_SETTLES_MS = 2 * MINUTE_MS;

function pass(world: World, atMs: number): void {
  const { chance, links, memory, bus, celsius, warmth } = world;
  const elapsedMs = atMs - world.atMs;
  const fromMs = world.atMs;
  world.atMs = atMs;
  if (atMs >= world.loadUntilMs) {
    world.loadTarget = 0.05 + 0.85 * chance();
    world.loadUntilMs = atMs - Math.log(1 - chance()) * LOAD_HOURS * HOUR_MS;
  }
  world.load = relaxed(world.load, world.loadTarget, elapsedMs, LOAD_SETTLES_MS);
  const day = Math.sin((2 * Math.PI * atMs) / DAY_MS);
  const season = Math.sin((2 * Math.PI * atMs) / YEAR_MS);
  const room = 24 + 3 * day + 4 * season;
  for (let index = 0; index < celsius.length; index += 1) {
    const target = room + warmth[index]! + 35 * world.load;
    celsius[index] = relaxed(celsius[index]!, target, elapsedMs, HEAT_SETTLES_MS);
  }
  for (const link of links) passLink(link, world, fromMs, elapsedMs);
  for (let index = 0; index < memory.length; index += 1) {
    memory[index]! += poisson(chance, (CORRECTED_WORDS_A_DAY * elapsedMs) / DAY_MS);
  }
  for (let index = 0; index < bus.length; index += 1) {
    bus[index]! += poisson(chance, (CORRECTED_PACKETS_A_DAY * elapsedMs) / DAY_MS);
  }
}

function passLink(link: Link, { chance, load }: World, fromMs: number, elapsedMs: number): void {
  const frames = Math.round((FRAMES_A_SECOND * load * elapsedMs) / SECOND_MS);
  const burstMs = Math.max(0, Math.min(elapsedMs, link.burstUntilMs - fromMs));
  const expected = frames * CRC_ERRORS_A_FRAME + (BURST_ERRORS_A_SECOND * burstMs) / SECOND_MS;
  link.frames += frames;
  link.crcErrors += poisson(chance, expected);
  link.symbolErrors += poisson(chance, MEGABITS * 1_000 * elapsedMs * SYMBOL_ERRORS_A_BIT);
  link.corrected += poisson(chance, CODEWORDS_A_MS * elapsedMs * CORRECTED_A_CODEWORD);
}

function relaxed(value: number, target: number, elapsedMs: number, settlesMs: number): number {
  return target + (value - target) * Math.exp(-elapsedMs / settlesMs);
}

/** Knuth's way for few, the normal approximation for many. */
function poisson(chance: () => number, mean: number): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(chance)));
  const floor = Math.exp(-mean);
  let count = 0;
  for (let product = chance(); product > floor; product *= chance()) count += 1;
  return count;
}

/** Box and Muller's, one of the pair. */
function normal(chance: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());
}

const SPIKE_CELSIUS = 15;

function readingsOf(world: World): readonly Reading[] {
  const { size, chance, links, memory, bus, celsius, load } = world;
  const readings: Reading[] = [];
  const instance = `boot-${world.boot}`;
  const add = (
    component: Component,
    device: string,
    signal: Signal,
    value: number | bigint | string,
  ): void => {
    const source = "simulated";
    readings.push({ component, device, instance, signal, source, status: "ok", value });
  };
  add("cpu", "cpu", "load", load);
  links.forEach((link, index) => {
    const device = `eth${index}`;
    add("nic", device, "rx-packets", BigInt(link.frames));
    add("nic", device, "rx-crc-errors", BigInt(link.crcErrors));
    add("nic", device, "carrier-losses", BigInt(link.losses));
    add("nic", device, "admin-up", 1);
    add("nic", device, "speed", MEGABITS);
    add("nic", device, "symbol-errors", BigInt(link.symbolErrors));
    add("nic", device, "fec-corrected", BigInt(link.corrected));
    add("nic", device, "fec-uncorrectable", BigInt(link.uncorrectable));
    add("nic", device, "rx-power", -3 + 0.15 * normal(chance));
  });
  for (let index = 0; index < size.disk; index += 1) {
    add("disk", `nvme${index}`, "health", "passed");
    add("disk", `nvme${index}`, "media-errors", 0n);
    add("disk", `nvme${index}`, "percentage-used", 7);
  }
  memory.forEach((corrected, index) => {
    add("memory", `mc0/dimm${index}`, "corrected-errors", BigInt(corrected));
    add("memory", `mc0/dimm${index}`, "uncorrected-errors", 0n);
  });
  celsius.forEach((value, index) => {
    const device = `chip${index >> 3}/temp${index}`;
    const spike = world.spikes > 0 && index === 0 ? SPIKE_CELSIUS : 0;
    add("temperature", device, "temperature", Math.round(value + spike + 0.8 * normal(chance)));
    add("temperature", device, "temperature-max", 98);
    add("temperature", device, "temperature-critical", 103);
    add("temperature", device, "temperature-alarm", 0);
  });
  world.spikes = 0;
  for (let index = 0; index < size.fan; index += 1) {
    const duty = Math.round(70 + 150 * load);
    add(
      "fan",
      `board/fan${index}`,
      "fan-speed",
      Math.round(30 * duty * (1 + 0.01 * normal(chance))),
    );
    add("fan", `board/fan${index}`, "fan-duty", duty);
    add("fan", `board/fan${index}`, "fan-min", 500);
  }
  for (let index = 0; index < size.power; index += 1) {
    add("power", `board/in${index}`, "voltage", 12 + 0.05 * normal(chance));
    add("power", `board/in${index}`, "voltage-min", 11.4);
    add("power", `board/in${index}`, "voltage-max", 12.6);
  }
  bus.forEach((corrected, index) => {
    const device = `0000:${index.toString(16).padStart(2, "0")}:00.0`;
    add("pcie", device, "corrected-errors", BigInt(corrected));
    add("pcie", device, "nonfatal-errors", 0n);
    add("pcie", device, "fatal-errors", 0n);
  });
  return readings;
}
