// Every metadata.json of an archive against the JSON Schema that is shipped.
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { schemaProblems } from './json-schema.ts';

const FILE = fileURLToPath(new URL('../../schemas/metadata.schema.json', import.meta.url));

/** @throws Error with what is wrong with which */
export function requireValidDocuments(archive: string): void {
  if (!existsSync(archive)) return;
  const schema: unknown = JSON.parse(readFileSync(FILE, 'utf8'));
  const problems = globSync('*/*/*/*/metadata.json', { cwd: archive }).flatMap((path) => {
    const document: unknown = JSON.parse(readFileSync(join(archive, path), 'utf8'));
    return schemaProblems(schema, document).map((problem) => `${path}: ${problem}`);
  });
  if (problems.length > 0) throw new Error(problems.join('\n'));
}
