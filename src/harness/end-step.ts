import type { RunEnd } from '../session/session-state.ts';
import { interruptStep } from './interrupt-step.ts';
import { collectOutputs } from './outputs.ts';
import { goToRest } from './run-end.ts';
import type { StepResult, Turn } from './turn-parts.ts';

/** The run is over, and that is on record: bring in what the agent has left for people, and rest. */
export async function endStep(turn: Turn, end: RunEnd): Promise<StepResult> {
  const outputs = await collectOutputs(turn);
  turn.stillHeld();
  const ended = await goToRest(turn, end, (state) => (state.interrupts.length > 0 ? null : outputs));
  return ended?.step ?? interruptStep(turn, outputs);
}
