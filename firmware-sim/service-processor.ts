/**
 * A simulated server's service processor: a minimal Redfish service (DMTF DSP0266) with one system
 * that can be switched off and on, and one chassis with the board's temperature and fan.
 * @module
 */
import type { Clock } from "../runtime/clock.ts";
import type { HttpsAnswer, HttpsRequest } from "../runtime/https-server.ts";
import { RESET, resources, type Thermal } from "./redfish-resources.ts";

export type ProcessorFault = "none" | "slow" | "lying" | "dead" | "wrong-machine";

export interface ProcessorOptions {
  readonly name: string;
  /** Of the machine, as long as the fault is not wrong-machine. */
  readonly uuid: string;
  /** `user:password` */
  readonly login: string;
  readonly clock: Clock;
  readonly thermal: () => Thermal;
  /** Really take the power away, and give it back. */
  readonly powerOff: () => Promise<void>;
  readonly powerOn: () => void;
  readonly onError: (error: unknown) => void;
}

export interface ServiceProcessor {
  /** Undefined: it never answers. */
  answer(request: HttpsRequest): Promise<HttpsAnswer | undefined>;
  break(fault: ProcessorFault): void;
  status(): { readonly power: Power; readonly fault: ProcessorFault };
}

type Power = "On" | "PoweringOff" | "Off";

/** A slow one: how late it answers, and how long it takes to switch off. */
const SLOW_ANSWER_MS = 1_000;
const SLOW_OFF_MS = 10_000;
const OTHER_UUID = "00000000-0000-4000-8000-0badc0ffee00";
/** What real ones need at the least. */
const OFF_MS = 200;

export function serviceProcessor(options: ProcessorOptions): ServiceProcessor {
  const { name, uuid, login, clock, thermal, powerOff, powerOn, onError } = options;
  let fault: ProcessorFault = "none";
  let power: Power = "On";
  /** It was told ForceOff, and only says that it has done it. */
  let pretends = false;

  const forceOff = (after: () => void): void => {
    if (fault === "lying") {
      pretends = true;
      return;
    }
    if (power === "On") power = "PoweringOff";
    clock.after(fault === "slow" ? SLOW_OFF_MS : OFF_MS, () => {
      powerOff().then(() => {
        power = "Off";
        after();
      }, onError);
    });
  };
  const switchOn = (): void => {
    pretends = false;
    if (power === "Off") powerOn();
    power = "On";
  };
  const reset = (body: string): HttpsAnswer => {
    switch (resetTypeOf(body)) {
      case "On":
        switchOn();
        return { status: 204 };
      case "ForceOff":
        forceOff(() => undefined);
        return { status: 204 };
      case "ForceRestart":
        forceOff(switchOn);
        return { status: 204 };
      case undefined:
        return { status: 400 };
    }
  };
  const respond = ({ method, path, login: given, body }: HttpsRequest): HttpsAnswer => {
    const bare = path.replace(/\/$/, "");
    // Whoever comes without a name may see where to begin, and nothing else (DSP0266, 9.3).
    if (given !== login && bare !== "/redfish/v1") {
      return { status: 401, headers: { "www-authenticate": 'Basic realm="redfish"' } };
    }
    if (bare === RESET) return method === "POST" ? reset(body) : { status: 405 };
    const shown = pretends ? "Off" : power;
    const id = fault === "wrong-machine" ? OTHER_UUID : uuid;
    const found = resources({ name, uuid: id, power: shown, thermal: thermal() })[bare];
    if (found === undefined) return { status: 404 };
    if (method !== "GET") return { status: 405 };
    const headers = { "content-type": "application/json", "odata-version": "4.0" };
    return { status: 200, headers, body: JSON.stringify(found) };
  };
  return {
    async answer(request) {
      if (fault === "dead") return undefined;
      if (fault === "slow") await clock.sleep(SLOW_ANSWER_MS);
      return respond(request);
    },
    break(next) {
      fault = next;
      if (next === "none") pretends = false;
    },
    status: () => ({ power, fault }),
  };
}

function resetTypeOf(body: string): "On" | "ForceOff" | "ForceRestart" | undefined {
  try {
    const { ResetType: type } = JSON.parse(body) as { ResetType?: unknown };
    return type === "On" || type === "ForceOff" || type === "ForceRestart" ? type : undefined;
  } catch {
    return undefined;
  }
}
