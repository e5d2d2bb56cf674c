import { z } from 'zod';
import { InvalidInputError } from '../errors.ts';

/** The value as the schema gives it. @throws InvalidInputError naming the first bad field */
export function parse<T>(schema: z.ZodType<T>, value: unknown, at: string[] = []): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues[0]);
  const path = [...at, ...(issue?.path ?? []).map(String)];
  throw new InvalidInputError(issue?.message ?? 'is not valid', path.length === 0 ? undefined : path.join('.'));
}

/** Neither left out nor null. */
export function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}

/** For a union the branch that got furthest says more than "Invalid input". */
function deepest(issue: z.core.$ZodIssue | undefined): z.core.$ZodIssue | undefined {
  if (issue?.code !== 'invalid_union') return issue;
  let best: z.core.$ZodIssue | undefined;
  for (const branch of issue.errors) {
    const first = deepest(branch[0]);
    if (first !== undefined && (best === undefined || first.path.length > best.path.length)) best = first;
  }
  return best === undefined ? issue : { ...best, path: [...issue.path, ...best.path] };
}
