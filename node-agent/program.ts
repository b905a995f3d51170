#!/usr/bin/env node
/** `ccli` as it is on a host that only runs a node-agent: the daemon, the way in over SSH, and the doctor's part. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runDaemon } from '../protocol/daemon/entry.ts';
import { createLog } from '../protocol/daemon/log.ts';
import { VERSION } from '../protocol/daemon/version.ts';
import { CcliError, ERRORS, toErrorBody } from '../protocol/errors.ts';
import { loadNodeConfig } from './config.ts';
import { findConfigFile } from './config-file.ts';
import { exec } from './line/exec.ts';
import { runStandIn } from './line/run-stand-in.ts';
import { startNode } from './node.ts';

const USAGE = `Usage:
  ccli node-agent [--config FILE]                 run the node-agent of this host in the foreground
  ccli node-agent exec --stdio [--config FILE]    speak with the node-agent of this host on stdin and stdout
  ccli node-agent check [--json] [--config FILE]  look whether this host has what a node-agent needs
  ccli --version

Without --config: ~/.config/ccli/node-agent.yaml, then /etc/ccli/node-agent.yaml.
`;

const [program = '', first, second, ...rest] = process.argv.slice(1);

interface Flags {
  readonly config_file: string | undefined;
  readonly stdio: boolean;
  readonly json: boolean;
}

/** @throws CcliError `invalid_request` */
function flagsOf(args: readonly string[]): Flags {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        config: { type: 'string' },
        stdio: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const { config, ...flags } = values;
    return { ...flags, config_file: config === undefined ? findConfigFile() : resolve(config) };
  } catch (cause) {
    throw new CcliError(
      'invalid_request',
      `${cause instanceof Error ? cause.message : String(cause)}\n${USAGE}`,
    );
  }
}

async function command(): Promise<number> {
  if (first === '--version' || first === '-V') {
    process.stdout.write(`${VERSION}\n`);
    return 0;
  }
  if (first === '--help' || first === '-h' || second === '--help' || second === '-h') {
    process.stdout.write(USAGE);
    return 0;
  }
  if (first !== 'node-agent')
    throw new CcliError('invalid_request', `This host runs a node-agent only.\n${USAGE}`);
  if (second === 'exec') {
    const { config_file, stdio } = flagsOf(rest);
    if (!stdio) throw new CcliError('invalid_request', `Say --stdio.\n${USAGE}`);
    return await exec({ config_file, program, stdin: process.stdin, stdout: process.stdout });
  }
  if (second === 'stand-in') return await runStandIn(flagsOf(rest).config_file);
  if (second === 'check') {
    const { config_file, json } = flagsOf(rest);
    const { runCheck } = await import('./check/check.ts');
    return await runCheck({ config_file, json, stdout: process.stdout });
  }
  // What a daemon is told, it reads itself.
  process.argv.splice(2, 1);
  await runDaemon(async (config_file, service) => {
    const config = loadNodeConfig(config_file ?? findConfigFile());
    const log = createLog({ level: config.log_level, name: 'node-agent' });
    const onWaiting = (): void => {
      service.ready('waiting until what stands in for this daemon has finished');
    };
    const node = await startNode(config, log, { role: 'daemon', onWaiting });
    service.status(`node ${config.node}`);
    return node;
  });
  return 0;
}

try {
  process.exitCode = await command();
} catch (error) {
  const { code, message, cause } = toErrorBody(error);
  process.stderr.write(`error ${code}: ${message}${cause === undefined ? '' : ` (${cause})`}\n`);
  process.exitCode = ERRORS[code].exit;
}
// A stdin that nobody ends must not keep us.
process.exit();
