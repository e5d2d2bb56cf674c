import type { Output, SessionState } from './session-state.ts';

/** What the agent has left for people, as a state knows it. */
export function outputAt(state: SessionState, path: string): Output | undefined {
  return state.outputs.find((output) => output.path === path);
}

export function putOutput(
  state: SessionState,
  { path, changed }: Omit<Output, 'content'>,
  content: Output['content'],
): void {
  state.outputs = [...state.outputs.filter((output) => output.path !== path), { path, changed, content }];
}
