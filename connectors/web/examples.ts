import type { Example } from './wire.ts';

/** Shown on an empty conversation when nothing else is configured. */
export const defaultExamples: Example[] = [
  { title: 'See what it can do', prompt: 'What can you do for me here?' },
  { title: 'Run a command', prompt: 'Run `uname -a` and tell me what it means.' },
  {
    title: 'Write and run a script',
    prompt: 'Write a small script that counts the words of a text file, then try it.',
  },
  { title: 'Ask before something risky', prompt: 'Delete every file in the workspace.' },
];
