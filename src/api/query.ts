import { z } from 'zod';
import { DEFAULT_LIMIT, MAX_LIMIT, type PageOf } from '../resources/page.ts';
import { parse } from '../resources/parse.ts';

/** A query parameter is a string, or a list of them when it is repeated (`types[]=a&types[]=b`). */

const time = z.iso.datetime({ offset: true, error: 'must be an RFC 3339 time' }).transform((text) => new Date(text));
const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

export function limitUpTo(max: number, byDefault: number) {
  return z
    .string()
    .regex(/^\d{1,6}$/, `must be a number from 1 to ${max}`)
    .transform(Number)
    .pipe(z.int().min(1).max(max))
    .default(byDefault);
}

export const pageParams = {
  limit: limitUpTo(MAX_LIMIT, DEFAULT_LIMIT),
  page: z.string().min(1).max(512).exactOptional(),
};

export const order = z.enum(['asc', 'desc']).exactOptional();
export const version = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, 'must be a number from 1')
  .transform(Number)
  .exactOptional();
export const includeArchived = flag.exactOptional();

/** The four filters that lists have on times, gathered under `created`. */
export const createdParams = {
  'created_at[gt]': time.exactOptional(),
  'created_at[gte]': time.exactOptional(),
  'created_at[lt]': time.exactOptional(),
  'created_at[lte]': time.exactOptional(),
};

type CreatedParams = { [K in keyof typeof createdParams]?: Date };

export function createdOf(query: CreatedParams): { gt?: Date; gte?: Date; lt?: Date; lte?: Date } {
  const { 'created_at[gt]': gt, 'created_at[gte]': gte, 'created_at[lt]': lt, 'created_at[lte]': lte } = query;
  return {
    ...(gt === undefined ? {} : { gt }),
    ...(gte === undefined ? {} : { gte }),
    ...(lt === undefined ? {} : { lt }),
    ...(lte === undefined ? {} : { lte }),
  };
}

/** A parameter that may be repeated; the SDK writes `name[]`. */
export function listOf<T extends string>(item: z.ZodType<T, string>) {
  const one = z.string().transform((text) => [text]);
  return z
    .union([z.array(z.string()).max(100), one])
    .pipe(z.array(item))
    .exactOptional();
}

/** The query as the schema gives it; unknown parameters are left alone, as the API does. @throws InvalidInputError */
export function queryOf<T>(req: { query: unknown }, schema: z.ZodType<T>): T {
  return parse(schema, req.query);
}

/** A page in the shape of the SDK's `PageCursor`. */
export function pageBody<T, U>(page: PageOf<T>, show: (item: T) => U): { data: U[]; next_page: string | null } {
  return { data: page.items.map(show), next_page: page.next_page };
}
