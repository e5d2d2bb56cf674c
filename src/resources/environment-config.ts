import type {
  BetaCloudConfig,
  BetaEnvironment,
  BetaLimitedNetwork,
  EnvironmentCreateParams,
  EnvironmentUpdateParams,
} from '@anthropic-ai/sdk/resources/beta/environments/environments';
import { z } from 'zod';
import { InvalidInputError } from '../errors.ts';
import { durationSetting, metadataSchema, numberSetting, refuseUnknownSettings } from './metadata.ts';
import { isGiven } from './parse.ts';

export type EnvironmentConfig = BetaEnvironment['config'];

const noPackages = z.array(z.string()).max(0, 'installing packages is not supported yet').nullable().exactOptional();

const host = z
  .string()
  .max(253)
  .regex(/^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i, 'must be a host name such as api.example.com or *.example.com');

const cloud = z.strictObject({
  type: z.literal('cloud'),
  networking: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('unrestricted') }),
      z.strictObject({
        type: z.literal('limited'),
        allow_mcp_servers: z.boolean().nullable().exactOptional(),
        allow_package_managers: z.boolean().nullable().exactOptional(),
        allowed_hosts: z.array(host).max(256).nullable().exactOptional(),
      }),
    ])
    .nullable()
    .exactOptional(),
  packages: z
    .strictObject({
      type: z.literal('packages').exactOptional(),
      apt: noPackages,
      cargo: noPackages,
      gem: noPackages,
      go: noPackages,
      npm: noPackages,
      pip: noPackages,
    })
    .nullable()
    .exactOptional(),
});

const config = z.discriminatedUnion('type', [cloud, z.strictObject({ type: z.literal('self_hosted') })]);
const name = z.string().trim().min(1).max(256);
const description = z.string().max(2048).nullable();
const scope = z.literal('organization', 'only organization is supported').nullable();

export const environmentCreateSchema = z.strictObject({
  name,
  config: config.nullable().exactOptional(),
  description: description.exactOptional(),
  metadata: metadataSchema.exactOptional(),
  scope: scope.exactOptional(),
}) satisfies z.ZodType<Omit<EnvironmentCreateParams, 'betas' | 'workspace_id'>>;

export const environmentUpdateSchema = z.strictObject({
  name: name.nullable().exactOptional(),
  config: config.nullable().exactOptional(),
  description: description.exactOptional(),
  metadata: z.record(z.string().min(1).max(64), z.string().max(512).nullable()).exactOptional(),
  scope: scope.exactOptional(),
}) satisfies z.ZodType<Omit<EnvironmentUpdateParams, 'betas' | 'workspace_id'>>;

export type EnvironmentCreate = z.output<typeof environmentCreateSchema>;
export type EnvironmentUpdate = z.output<typeof environmentUpdateSchema>;

/** Deny by default: a sandbox has no network unless its environment says so. */
const NO_NETWORK: BetaLimitedNetwork = {
  type: 'limited',
  allow_mcp_servers: false,
  allow_package_managers: false,
  allowed_hosts: [],
};

/** The configuration with its defaults; what is left out is kept from `before`. @throws InvalidInputError */
export function resolveConfig(
  params: z.output<typeof config> | null | undefined,
  before?: EnvironmentConfig,
): EnvironmentConfig {
  if (!isGiven(params)) return before ?? cloudWith(NO_NETWORK);
  if (before !== undefined && before.type !== params.type) {
    throw new InvalidInputError('cannot change after creation', 'config.type', 'invalid_config_type_change');
  }
  if (params.type === 'self_hosted') return { type: 'self_hosted' };
  const kept = before?.type === 'cloud' ? before.networking : NO_NETWORK;
  return cloudWith(networkingAfter(kept, params.networking));
}

function networkingAfter(
  before: BetaCloudConfig['networking'],
  params: z.output<typeof cloud>['networking'],
): BetaCloudConfig['networking'] {
  if (!isGiven(params)) return before;
  if (params.type === 'unrestricted') return { type: 'unrestricted' };
  const kept = before.type === 'limited' ? before : NO_NETWORK;
  return {
    type: 'limited',
    allow_mcp_servers: params.allow_mcp_servers ?? kept.allow_mcp_servers,
    allow_package_managers: params.allow_package_managers ?? kept.allow_package_managers,
    allowed_hosts: params.allowed_hosts ?? kept.allowed_hosts,
  };
}

function cloudWith(networking: BetaCloudConfig['networking']): BetaCloudConfig {
  return {
    type: 'cloud',
    networking,
    packages: { type: 'packages', apt: [], cargo: [], gem: [], go: [], npm: [], pip: [] },
  };
}

/** Limits of the sandboxes of an environment, as far as it sets them. Sizes in bytes, times in milliseconds. */
export interface EnvironmentLimits {
  processes?: number;
  memory_bytes?: number;
  /** 1 = one core. */
  cpus?: number;
  file_bytes?: number;
  disk_bytes?: number;
  output_bytes?: number;
  timeout_ms?: number;
}

const MB = 1024 * 1024;

/** Metadata that sets a limit: what it sets, its smallest and largest value, and its unit. */
const LIMITS = {
  deckhand_processes: ['processes', 4, 4096, 1],
  deckhand_memory_mb: ['memory_bytes', 64, 65_536, MB],
  deckhand_cpus: ['cpus', 0.1, 64, 1],
  deckhand_file_mb: ['file_bytes', 1, 65_536, MB],
  deckhand_disk_mb: ['disk_bytes', 16, 1_048_576, MB],
  deckhand_output_mb: ['output_bytes', 1, 64, MB],
} as const satisfies Record<string, readonly [keyof EnvironmentLimits, number, number, number]>;

/** The limits that an environment's metadata sets. @throws InvalidInputError for metadata that was not checked before */
export function workspaceLimitsOf(environment: { metadata: Record<string, string> }): EnvironmentLimits {
  const { metadata } = environment;
  refuseUnknownSettings(metadata, [...Object.keys(LIMITS), 'deckhand_timeout']);
  const limits: EnvironmentLimits = {};
  for (const [setting, [field, min, max, unit]] of Object.entries(LIMITS)) {
    const number = numberSetting(metadata, setting, min, max);
    if (number !== undefined) limits[field] = field === 'cpus' ? number : Math.floor(number * unit);
  }
  const timeout_ms = durationSetting(metadata, 'deckhand_timeout');
  if (timeout_ms !== null) limits.timeout_ms = timeout_ms;
  return limits;
}
