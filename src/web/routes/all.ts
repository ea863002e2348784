// All routes of Web Services.
import * as v from 'valibot';
import { openApiOf } from '../openapi.ts';
import { ok, type Route, route } from '../route.ts';
import type { Web } from '../web.ts';
import { actRoutes } from './acts.ts';
import { auditRoutes } from './audit.ts';
import { callRoutes } from './calls.ts';
import { dnRoutes } from './dns.ts';
import { healthRoutes } from './health.ts';
import { mediaRoutes } from './media.ts';
import { recordingRoutes } from './recordings.ts';

export function allRoutes(web: Web): Route[] {
  const routes = [
    ...healthRoutes(web),
    ...recordingRoutes(web),
    ...mediaRoutes(web),
    ...actRoutes(web),
    ...callRoutes(web),
    ...dnRoutes(web),
    ...auditRoutes(web),
  ];
  return [...routes, documentRoute(routes)];
}

/** The document tells of itself as well. */
function documentRoute(others: readonly Route[]): Route {
  let document: unknown;
  const own = route({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    needs: 'anyone',
    answers: { 200: { what: 'OpenAPI 3.1.', schema: v.looseObject({ openapi: v.literal('3.1.0') }) } },
    handle: () => {
      document ??= openApiOf([...others, own]);
      return ok(document);
    },
  });
  return own;
}
