/**
 * Servers and disks next to their peers: of the same model, and in the same rack.
 *
 * A share is compared with that of all others by Fisher's exact test, two-sided. With many groups
 * one always looks odd: a group stands out only if its p times the number of groups is small.
 * Many at once of one group are rather a fault of sensors or surroundings than of each of them:
 * that is said, and nothing follows from it here (policy.ts has the stampede).
 */
import type { ServerComponents } from "../protocol/prediction.ts";
import type { AlarmRecord } from "./alarm.ts";
import { fisherP } from "./figures.ts";
import type { RiskRecord } from "./store.ts";

const DAY_MS = 86_400_000;
/** Groups in one answer: the likeliest to differ first. */
export const GROUPS_ANSWERED_MAX = 256;
const STANDS_OUT_P = 0.05;
/** Fewer at once may be chance. */
const AT_ONCE_MIN = 3;

export interface FleetInput {
  readonly servers: readonly ServerComponents[];
  /** Server -> rack, where the configuration says so. */
  readonly rackOf: ReadonlyMap<string, string>;
  readonly alarms: readonly AlarmRecord[];
  readonly risks: readonly RiskRecord[];
  /** Milliseconds of the wall clock. */
  readonly nowMs: number;
  /** How far back a prediction counts. */
  readonly windowMs: number;
  /** How close together alarms are "at once". */
  readonly atOnceMs: number;
}

export interface Group {
  readonly kind: "disk model" | "server model" | "rack";
  readonly name: string;
  /** Members of which a failure was predicted in the window, of all. */
  readonly hits: number;
  readonly all: number;
  /** The same of everything else of that kind. */
  readonly restHits: number;
  readonly restAll: number;
  /** Members that are suspect now. */
  readonly suspects: number;
  readonly p: number;
  readonly standsOut: boolean;
  /** Why this is rather one fault than many. */
  readonly suspicion: string | undefined;
}

export interface FleetView {
  readonly days: number;
  readonly servers: number;
  readonly disks: number;
  readonly groups: readonly Group[];
}

/** One that is counted: a disk, or a server with all that is in it. */
interface Member {
  readonly group: string | undefined;
  readonly suspect: boolean;
  /** When it was predicted to fail. */
  readonly toldAtMs: readonly number[];
}

export function fleetView(input: FleetInput): FleetView {
  const { servers, rackOf, windowMs } = input;
  const news = newsBy(input);
  const disks = servers.flatMap(({ serverId, disks: own }) =>
    own.map(({ device, model }) => memberOf(model, ofDisk(news.get(serverId) ?? [], device))),
  );
  const whole = (groupOf: (one: ServerComponents) => string | undefined): Member[] =>
    servers.map((one) => memberOf(groupOf(one), news.get(one.serverId) ?? []));
  const kinds: readonly (readonly [Group["kind"], readonly Member[]])[] = [
    ["disk model", disks],
    ["server model", whole(({ model }) => model)],
    ["rack", whole(({ serverId }) => rackOf.get(serverId))],
  ];
  const groups = kinds.flatMap(([kind, members]) => groupsOf(kind, members, input));
  const judged = groups.map((one) => ({
    ...one,
    standsOut: one.p * groups.length < STANDS_OUT_P,
  }));
  return {
    days: windowMs / DAY_MS,
    servers: servers.length,
    disks: disks.length,
    groups: judged.sort((a, b) => a.p - b.p).slice(0, GROUPS_ANSWERED_MAX),
  };
}

/** That a device was predicted to fail at a time, or is suspect now. */
interface News {
  readonly component: string;
  readonly device: string;
  /** Undefined of one that is only suspect. */
  readonly toldAtMs: number | undefined;
}

function newsBy({ alarms, risks, nowMs, windowMs }: FleetInput): ReadonlyMap<string, News[]> {
  const news = new Map<string, News[]>();
  const add = (serverId: string, one: News): void => {
    const known = news.get(serverId);
    if (known === undefined) news.set(serverId, [one]);
    else known.push(one);
  };
  for (const { serverId, component, device, wallTime } of alarms) {
    const toldAtMs = Date.parse(wallTime);
    if (nowMs - toldAtMs <= windowMs) add(serverId, { component, device, toldAtMs });
  }
  for (const { change } of risks) {
    const { serverId, component, device } = change;
    if (change.to === "suspect") add(serverId, { component, device, toldAtMs: undefined });
  }
  return news;
}

function ofDisk(news: readonly News[], disk: string): readonly News[] {
  return news.filter(({ component, device }) => component === "disk" && device === disk);
}

function memberOf(group: string | undefined, news: readonly News[]): Member {
  return {
    group: group === "" ? undefined : group,
    suspect: news.some(({ toldAtMs }) => toldAtMs === undefined),
    toldAtMs: news.flatMap(({ toldAtMs }) => toldAtMs ?? []),
  };
}

/** A member without a group is one of the rest. */
function groupsOf(
  kind: Group["kind"],
  members: readonly Member[],
  { atOnceMs }: FleetInput,
): Omit<Group, "standsOut">[] {
  const names = [...new Set(members.flatMap(({ group }) => group ?? []))].sort();
  return names.map((name) => {
    const own = members.filter(({ group }) => group === name);
    const rest = members.filter(({ group }) => group !== name);
    const [hits, restHits] = [hitsOf(own), hitsOf(rest)];
    return {
      kind,
      name,
      hits,
      all: own.length,
      restHits,
      restAll: rest.length,
      suspects: own.filter(({ suspect }) => suspect).length,
      p: fisherP({ hits, all: own.length }, { hits: restHits, all: rest.length }),
      suspicion: suspicionOf(kind, own, atOnceMs),
    };
  });
}

function hitsOf(members: readonly Member[]): number {
  return members.filter(({ toldAtMs }) => toldAtMs.length > 0).length;
}

function suspicionOf(
  kind: Group["kind"],
  members: readonly Member[],
  atOnceMs: number,
): string | undefined {
  const most = mostAtOnce(members, atOnceMs);
  if (most < AT_ONCE_MIN) return undefined;
  const what = kind === "disk model" ? "disks" : "servers";
  const fault =
    kind === "rack"
      ? "power, cooling or a sensor of the rack"
      : "a sensor, or a fault that all of that model share";
  return `${most} ${what} within ${atOnceMs / 60_000} minutes: rather ${fault}`;
}

/** The most members of which something was told within any such time. */
function mostAtOnce(members: readonly Member[], atOnceMs: number): number {
  const all = members
    .flatMap(({ toldAtMs }, member) => toldAtMs.map((atMs) => ({ atMs, member })))
    .sort((a, b) => a.atMs - b.atMs);
  let most = 0;
  let from = 0;
  for (const [to, { atMs }] of all.entries()) {
    while (atMs - all[from]!.atMs >= atOnceMs) from++;
    most = Math.max(most, new Set(all.slice(from, to + 1).map(({ member }) => member)).size);
  }
  return most;
}
