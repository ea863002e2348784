// All routes of Web Services.
import type { Route } from '../route.ts';
import type { Web } from '../web.ts';
import { actRoutes } from './acts.ts';
import { auditRoutes } from './audit.ts';
import { callRoutes } from './calls.ts';
import { dnRoutes } from './dns.ts';
import { healthRoutes } from './health.ts';
import { mediaRoutes } from './media.ts';
import { recordingRoutes } from './recordings.ts';

export function allRoutes(web: Web): Route[] {
  return [
    ...healthRoutes(web),
    ...recordingRoutes(web),
    ...mediaRoutes(web),
    ...actRoutes(web),
    ...callRoutes(web),
    ...dnRoutes(web),
    ...auditRoutes(web),
  ];
}
