/**
 * What a hook makes anew for each test, under one name for all of them.
 * @param current what there is now; throws between the tests
 */
export function eachTests<T extends object>(current: () => T): T {
  return new Proxy({} as T, { get: (_none, name): unknown => Reflect.get(current(), name) });
}
