/** Where a session's sandbox has the files that people attached, read-only (the Managed Agents API's own path). */
export const UPLOADS = '/mnt/session/uploads';

/** Where the agent leaves files for people (the Managed Agents API's own path). */
export const OUTPUTS = '/mnt/session/outputs';
