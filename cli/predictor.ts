/**
 * `lifeboat predictor`: what the predictor says of recorded data.
 * @module
 */
import type { Command } from "commander";
import { addScoreRowsCommand } from "./predictor/score-rows.ts";
import type { World } from "./world.ts";

export function addPredictorCommands(program: Command, world: World): void {
  const predictor = program
    .command("predictor")
    .description("score recorded data, and see how well that went");
  addScoreRowsCommand(predictor, world);
}
