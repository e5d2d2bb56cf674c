import type { Tool } from '../tool.ts';
import { bash } from './bash.ts';
import { edit } from './edit.ts';
import { read } from './read.ts';
import { glob, grep } from './search.ts';
import { write } from './write.ts';

/** The tools of `agent_toolset_20260401` that run here, under the names and inputs that Managed Agents gives them. */
export const AGENT_TOOLSET: readonly Tool[] = [bash, read, write, edit, glob, grep];
