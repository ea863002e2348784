// `grec agent`: agents log in on DNs and out again, through the control socket of grec-sipd.
import type { CliContext } from './context.ts';
import { askSwitch } from './dn.ts';
import { EXIT } from './exit-codes.ts';
import { localTime } from './table.ts';

export interface AgentLoginOptions {
  dn: string;
  force?: boolean;
}

interface Login {
  agent: string;
  dn: string;
  /** Milliseconds since 1970. */
  since: number;
}

/** An agent login as grec-sipd answers it. */
interface Agent {
  agent: string;
  name: string | null;
  /** Null: the DN's own setting holds. */
  record: boolean | null;
  dn: string | null;
  /** ISO 8601. */
  since: string | null;
}

/** The same again changes nothing. @throws GrecError DN_UNKNOWN, DN_INVALID, AGENT_LOGGED_IN, DAEMON_NOT_RUNNING … */
export async function agentLogin(
  context: CliContext,
  agent: string,
  { dn, force = false }: AgentLoginOptions,
): Promise<number> {
  const answer = await askSwitch<{ login: Login; changed: boolean }>(context, 'PUT', loginPath(agent), {
    dn,
    force,
  });
  if (context.json) context.printJson({ ...showLogin(answer.login), changed: answer.changed });
  else context.print(`${agent} ${answer.changed ? 'logged in' : 'is logged in already'} on DN ${dn}`);
  return EXIT.ok;
}

/** @throws GrecError DN_UNKNOWN, DAEMON_NOT_RUNNING … */
export async function agentLogout(context: CliContext, agent: string): Promise<number> {
  const { login } = await askSwitch<{ login: Login | null }>(context, 'DELETE', loginPath(agent));
  if (context.json) context.printJson({ agent, dn: login?.dn ?? null, changed: login !== null });
  else
    context.print(
      login === null ? `${agent} is not logged in, nothing to do` : `${agent} logged out from DN ${login.dn}`,
    );
  return EXIT.ok;
}

/** @throws GrecError DAEMON_NOT_RUNNING … */
export async function agentList(context: CliContext): Promise<number> {
  const { agents } = await askSwitch<{ agents: Agent[] }>(context, 'GET', '/agents');
  if (context.json) context.printJson(agents);
  else if (agents.length === 0)
    context.note(
      `no agent exists; make one: ${context.command('dn add 2201 --type agent-login record=true')}`,
    );
  else
    context.printTable(
      ['AGENT', 'RECORD', 'ON DN', 'SINCE', 'NAME'],
      agents.map(({ agent, record, dn, since, name }) => [
        agent,
        record === null ? 'as the DN' : record ? 'yes' : 'no',
        dn ?? '-',
        since === null ? '-' : localTime(Date.parse(since)),
        name ?? '',
      ]),
    );
  return EXIT.ok;
}

function showLogin({ agent, dn, since }: Login) {
  return { agent, dn, since: new Date(since).toISOString() };
}

function loginPath(agent: string): string {
  return `/agents/${encodeURIComponent(agent)}/login`;
}
