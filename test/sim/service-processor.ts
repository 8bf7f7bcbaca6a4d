/**
 * A server's service processor: it switches the server off and says how it is, or fails at that
 * in one of the ways that real ones do.
 */
import type { PowerAnswer, PowerAsk } from "../../coordinator/fence.ts";
import type { Chance } from "./chance.ts";
import { type Firmware, uuidOf } from "./firmware.ts";
import type { SimulatedHost } from "./host.ts";

/** What it does to the world around it. */
export interface Wiring {
  /** What it is like now. */
  firmware(): Firmware;
  switchOff(): void;
  /** Whether things happen by chance. */
  random(): boolean;
}

/** The coordinator's shell gives up a question after so long. */
const GIVEN_UP_MS = 10_000;

/** How often it has something else to do. */
const BUSY = 0.2;
/** Below the time for which `Off` must be read, by a clock that is a tenth slow. */
const EARLY_MS_MAX = 8_500;

export class ServiceProcessor {
  private readonly host: SimulatedHost;
  private readonly wiring: Wiring;
  private readonly chance: Chance;
  /** The boot that was switched off, and reads since. */
  private switched: { readonly bootId: string; reads: number } | undefined;

  constructor(host: SimulatedHost, wiring: Wiring, chance: Chance) {
    this.host = host;
    this.wiring = wiring;
    this.chance = chance;
  }

  ask(command: PowerAsk["command"], answer: (told: PowerAnswer) => void): void {
    const { chance } = this;
    const { world } = this.host;
    const firmware = this.wiring.firmware();
    if (firmware === "dead") {
      world.after(GIVEN_UP_MS, () => answer({ type: "failed", reason: "No answer in time" }));
      return;
    }
    const slow = firmware === "slow" || (this.wiring.random() && chance.hit(BUSY));
    const lateMs = slow ? chance.between(200, 4_000) : chance.between(1, 50);
    const found = command === "read" ? undefined : this.forceOff(firmware);
    world.after(lateMs, () => answer(found ?? this.state(firmware)));
  }

  private state(firmware: Firmware): PowerAnswer {
    const { hostId } = this.host;
    return { type: "state", uuid: uuidOf(hostId), power: this.power(firmware) };
  }

  private power(firmware: Firmware): string {
    const { host, switched } = this;
    if (!host.powered) return "Off";
    if (switched?.bootId !== host.bootId) return "On";
    switched.reads++;
    if (firmware === "lying" || firmware === "early") return "Off";
    if (firmware === "flickering" && switched.reads === 1) return "Off";
    return "PoweringOff";
  }

  private forceOff(firmware: Firmware): PowerAnswer {
    const { host, chance } = this;
    const { bootId } = host;
    this.switched = { bootId, reads: 0 };
    if (firmware !== "lying") {
      host.world.after(offMs(firmware, chance), () => {
        if (host.bootId === bootId) this.wiring.switchOff();
      });
    }
    return { type: "taken" };
  }
}

function offMs(firmware: Firmware, chance: Chance): number {
  if (firmware === "slow" || firmware === "flickering") return chance.between(3_000, 20_000);
  if (firmware === "early") return chance.between(4_000, EARLY_MS_MAX);
  return chance.between(1, 4_000);
}
