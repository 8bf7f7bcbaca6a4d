/**
 * `lifeboat predictor`: what the predictor says of recorded data.
 * @module
 */
import type { Command } from "commander";
import { addAcknowledgeCommands } from "./predictor/acknowledge.ts";
import { addBacktestCommand } from "./predictor/backtest.ts";
import { addExplainCommand } from "./predictor/explain.ts";
import { addFleetCommand } from "./predictor/fleet.ts";
import { addOutcomeCommands } from "./predictor/outcomes.ts";
import { addScoreCommand } from "./predictor/score.ts";
import { addScoreRowsCommand } from "./predictor/score-rows.ts";
import type { World } from "./world.ts";

export function addPredictorCommands(program: Command, world: World): void {
  const predictor = program
    .command("predictor")
    .description("what is predicted, what became of it, and how well recorded data is scored");
  addScoreCommand(predictor, world);
  addScoreRowsCommand(predictor, world);
  addExplainCommand(predictor, world);
  addAcknowledgeCommands(predictor, world);
  addOutcomeCommands(predictor, world);
  addFleetCommand(predictor, world);
  addBacktestCommand(predictor, world);
}
