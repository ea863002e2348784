// All routes of Web Services.
import type { Route } from '../route.ts';
import type { Web } from '../web.ts';
import { healthRoutes } from './health.ts';

export function allRoutes(web: Web): Route[] {
  return [...healthRoutes(web)];
}
