import type { Router } from 'express';

interface Layer {
  route?: { path: string; methods: Record<string, boolean> };
  handle: { stack?: Layer[] };
  match(path: string): boolean;
}

/** `GET /agents/:id` and so on, from the routers themselves. `mounts` are the paths that routers are mounted at. */
export function routesOf(router: Router, mounts: readonly string[] = []): string[] {
  return (router.stack as unknown as Layer[]).flatMap((layer) => {
    const mount = mounts.find((path) => layer.handle.stack !== undefined && layer.match(path)) ?? '';
    return (layer.handle.stack ?? []).flatMap(({ route }) =>
      route === undefined
        ? []
        : Object.keys(route.methods).map(
            (method) => `${method.toUpperCase()} ${mount}${route.path === '/' ? '' : route.path}`,
          ),
    );
  });
}
