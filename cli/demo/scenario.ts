/**
 * What the demo can show: each scenario with its site, its course and its report.
 * @module
 */
import { SystemError } from "../../protocol/error.ts";
import type { World } from "../world.ts";
import { type Course, play } from "./course.ts";
import { failoverText, POWER_CUT_OPENING, SWAP_OPENING, swapText } from "./failover-text.ts";
import { FAILING } from "./hardware.ts";
import { reportText } from "./narration.ts";
import { playPowerCut, powerCutSite } from "./power-cut.ts";
import { serviceProcessorOf } from "./service-processor.ts";
import { PLAIN, type SiteKind } from "./site.ts";
import type { Stage } from "./stage.ts";
import { playSwap, SWAP_SITE } from "./swap.ts";

export const SCENARIOS = ["evacuation", "power-cut", "swap"] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

/** A course that was played to its end. */
export interface Played {
  readonly report: { readonly ok: boolean };
  /** The same for people. */
  readonly text: () => string;
}

export interface Scenario {
  readonly site: SiteKind;
  readonly play: (stage: Stage) => Promise<Played>;
}

/** @throws SystemError USAGE */
export function scenarioOf(name: ScenarioName, world: World, course: Course): Scenario {
  if (name !== "evacuation" && (course.agentDead || course.cause !== "disk")) {
    throw new SystemError("USAGE", `--cause and --agent-dead are not for --scenario ${name}`);
  }
  switch (name) {
    case "evacuation":
      return { site: PLAIN, play: (stage) => evacuation(stage, course) };
    case "power-cut":
      return powerCut(world);
    case "swap":
      return { site: SWAP_SITE, play: swap };
  }
}

async function evacuation(stage: Stage, course: Course): Promise<Played> {
  const report = await play(stage, course);
  return { report, text: () => reportText(report) };
}

function powerCut(world: World): Scenario {
  const site = powerCutSite(serviceProcessorOf(world, FAILING));
  return {
    site,
    async play(stage) {
      stage.say(POWER_CUT_OPENING);
      const report = await playPowerCut(stage, site);
      return { report, text: () => failoverText(report) };
    },
  };
}

async function swap(stage: Stage): Promise<Played> {
  stage.say(SWAP_OPENING);
  const report = await playSwap(stage);
  return { report, text: () => swapText(report) };
}
