import { z } from 'zod';

/** An id of Slack's, or the time that names a message. Never empty: it stands for somebody or something to be asked about. */
export const slackId = z.string().min(1);
