/** The CLIs that need nothing but their `agent_type`. deploy/agents.md tells operators what is known of each. */
import type { CliType } from '../agent-config/cli-type.ts';
import type { Preset } from './preset.ts';

const npm = (name: string) => ({ package: name, install: `npm install -g ${name}` });
const ASK_NOBODY = '{"*":"deny"}';

export const PRESETS: Readonly<Partial<Record<CliType, Preset>>> = {
  cli_gemini: {
    driver: 'acp',
    announces: 'gemini-cli',
    acp: {
      command: 'gemini',
      ...npm('@google/gemini-cli'),
      // Edits and commands ask first in the default mode: the answer depends on the task's own policy.
      args: ['--acp', '--approval-mode', 'default'],
      model_args: ['--model={model}'],
    },
    headless: { command: 'gemini', ...npm('@google/gemini-cli'), args: [], built_in: true },
    dialect: { notice: /^\[MODE_UPDATE\] \w+$/ },
    min_node: 20,
    home: { directory: '.gemini' },
    pass_env: [
      'GEMINI_API_KEY',
      'GOOGLE_API_KEY',
      'GOOGLE_GEMINI_BASE_URL',
      'GOOGLE_VERTEX_BASE_URL',
      'GOOGLE_CLOUD_PROJECT',
      'GOOGLE_CLOUD_LOCATION',
      'GOOGLE_GENAI_USE_VERTEXAI',
      'GOOGLE_APPLICATION_CREDENTIALS',
    ],
    sign_in: {
      env: ['GEMINI_API_KEY', 'GOOGLE_GENAI_USE_VERTEXAI'],
      files: [{ path: 'oauth_creds.json' }],
      shows: 'own_home',
      how: 'set GEMINI_API_KEY there, or sign in',
    },
    verified: {
      acp: { level: 'prompted', version: '0.61.0' },
      headless: { level: 'prompted', version: '0.61.0' },
    },
  },

  cli_claude: {
    driver: 'acp',
    announces: '@agentclientprotocol/claude-agent-acp',
    acp: {
      command: 'claude-agent-acp',
      ...npm('@agentclientprotocol/claude-agent-acp'),
      args: [],
      // The operator's own settings may name a mode that asks nobody.
      modes: { deny: 'default', auto_edit: 'default', yolo: 'default' },
    },
    headless: {
      command: 'claude',
      ...npm('@anthropic-ai/claude-code'),
      args: ['-p', '--output-format', 'json'],
      model_args: ['--model', '{model}'],
      policy_args: {
        deny: ['--permission-mode', 'dontAsk'],
        auto_edit: ['--permission-mode', 'acceptEdits'],
        yolo: ['--permission-mode', 'bypassPermissions'],
      },
      prompt: 'stdin',
      output: 'json',
      answer: 'result',
      error: 'is_error',
      usage: 'usage',
    },
    dialect: { tells_cut: true },
    min_node: 20,
    home: { directory: '.claude', variable: 'CLAUDE_CONFIG_DIR' },
    pass_env: [
      'ANTHROPIC_API_KEY',
      'ANTHROPIC_AUTH_TOKEN',
      'ANTHROPIC_BASE_URL',
      'CLAUDE_CODE_OAUTH_TOKEN',
      'CLAUDE_CODE_USE_BEDROCK',
      'CLAUDE_CODE_USE_VERTEX',
      'ANTHROPIC_VERTEX_PROJECT_ID',
      'CLOUD_ML_REGION',
      'AWS_REGION',
      'AWS_PROFILE',
      'AWS_BEARER_TOKEN_BEDROCK',
      'GOOGLE_APPLICATION_CREDENTIALS',
    ],
    env: {
      // Waiting and retrying are the coordinator's.
      CLAUDE_CODE_MAX_RETRIES: '0',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    },
    sign_in: {
      env: [
        'ANTHROPIC_API_KEY',
        'ANTHROPIC_AUTH_TOKEN',
        'CLAUDE_CODE_OAUTH_TOKEN',
        'CLAUDE_CODE_USE_BEDROCK',
        'CLAUDE_CODE_USE_VERTEX',
      ],
      files: [{ path: '.credentials.json' }, { path: 'settings.json', holding: 'apiKeyHelper' }],
      shows: 'prompt',
      pattern: /Not logged in|Please run \/login|Invalid API key/i,
      how: 'set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN (from `claude setup-token`) in the environment of the node-agent, or sign in there with `claude`',
    },
    verified: {
      acp: { level: 'prompted', version: '0.49.0' },
      headless: { level: 'prompted', version: '2.1.185' },
    },
  },

  cli_codex: {
    driver: 'acp',
    announces: '@agentclientprotocol/codex-acp',
    acp: {
      command: 'codex-acp',
      ...npm('@agentclientprotocol/codex-acp'),
      args: [],
      auth_method: 'api-key',
      modes: { deny: 'read-only', auto_edit: 'read-only', yolo: 'agent-full-access' },
    },
    headless: {
      command: 'codex',
      ...npm('@openai/codex'),
      args: ['exec', '--skip-git-repo-check', '--color', 'never', '-'],
      model_args: ['--model', '{model}'],
      policy_args: {
        deny: ['--sandbox', 'read-only'],
        auto_edit: ['--sandbox', 'workspace-write'],
        yolo: ['--sandbox', 'danger-full-access'],
      },
      prompt: 'stdin',
      output: 'text',
    },
    dialect: { unlabelled_notices: true },
    min_node: 20,
    home: { directory: '.codex', variable: 'CODEX_HOME' },
    pass_env: ['CODEX_API_KEY', 'OPENAI_API_KEY', 'OPENAI_BASE_URL', 'CODEX_CONFIG', 'MODEL_PROVIDER'],
    // Nobody is there to see the browser that it would open.
    env: { NO_BROWSER: '1' },
    sign_in: {
      env: ['CODEX_API_KEY', 'OPENAI_API_KEY'],
      files: [{ path: 'auth.json' }],
      shows: 'session',
      pattern: /401 Unauthorized|Not logged in/i,
      how: 'set CODEX_API_KEY or OPENAI_API_KEY in the environment of the node-agent, or run `codex login` there',
    },
    verified: {
      acp: { level: 'prompted', version: '2.6.0' },
      headless: { level: 'prompted', version: '0.166.0' },
    },
  },

  cli_qwen: {
    driver: 'acp',
    announces: 'qwen-code',
    acp: {
      command: 'qwen',
      ...npm('@qwen-code/qwen-code'),
      args: ['--acp'],
      model_args: ['--model={model}'],
      modes: { deny: 'default', auto_edit: 'default', yolo: 'default' },
    },
    headless: {
      command: 'qwen',
      ...npm('@qwen-code/qwen-code'),
      args: [],
      model_args: ['--model={model}'],
      policy_args: {
        deny: ['--approval-mode', 'default'],
        auto_edit: ['--approval-mode', 'auto-edit'],
        yolo: ['--approval-mode', 'yolo'],
      },
      prompt: 'stdin',
      output: 'text',
    },
    min_node: 20,
    home: { directory: '.qwen', variable: 'QWEN_HOME' },
    pass_env: ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OPENAI_MODEL'],
    // Its launcher would stand between us and it: signals and memory.
    env: { QWEN_CODE_NO_RELAUNCH: 'true' },
    sign_in: {
      env: ['OPENAI_API_KEY'],
      files: [{ path: 'settings.json', holding: 'selectedType' }, { path: 'oauth_creds.json' }],
      shows: 'session',
      pattern: /authenticate first|No auth type is selected|Please set an Auth method/i,
      how: 'set OPENAI_API_KEY (with OPENAI_BASE_URL and OPENAI_MODEL) in the environment of the node-agent, or sign in there with `qwen`',
    },
    verified: {
      acp: { level: 'prompted', version: '0.15.10' },
      headless: { level: 'prompted', version: '0.15.10' },
    },
  },

  cli_opencode: {
    driver: 'acp',
    announces: 'OpenCode',
    acp: { command: 'opencode', ...npm('opencode-ai'), args: ['acp'], modes: {} },
    headless: {
      command: 'opencode',
      ...npm('opencode-ai'),
      args: ['run'],
      model_args: ['--model', '{model}'],
      prompt: 'stdin',
      output: 'text',
    },
    home: { directory: '.local/share/opencode' },
    pass_env: [
      'OPENCODE_API_KEY',
      'OPENCODE_CONFIG',
      'OPENCODE_CONFIG_CONTENT',
      'OPENCODE_AUTH_CONTENT',
      'ANTHROPIC_API_KEY',
      'OPENAI_API_KEY',
      'OPENROUTER_API_KEY',
    ],
    env: { OPENCODE_DISABLE_AUTOUPDATE: '1', OPENCODE_DISABLE_SHARE: '1' },
    // It runs tools without asking, unless it is told otherwise.
    policy_env: {
      deny: { OPENCODE_PERMISSION: ASK_NOBODY },
      auto_edit: { OPENCODE_PERMISSION: '{"*":"deny","read":"allow","edit":"allow"}' },
      yolo: { OPENCODE_PERMISSION: '{"*":"allow"}' },
    },
    sign_in: {
      env: ['OPENCODE_API_KEY', 'ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'OPENROUTER_API_KEY'],
      files: [{ path: 'auth.json' }],
      shows: 'hidden',
      how: 'run `opencode auth login` there, or set the key of the provider in the environment of the node-agent',
    },
    verified: {
      acp: { level: 'prompted', version: '1.18.33' },
      headless: { level: 'prompted', version: '1.18.33' },
    },
  },

  cli_antigravity: {
    driver: 'headless',
    headless: {
      command: 'agy',
      install: 'curl -fsSL https://antigravity.google/cli/install.sh | bash',
      // Without `-p`, which takes the prompt as an argument: it reads a stdin that is no terminal. Our own timeout
      // comes before any of its own.
      args: ['--output-format', 'json', '--print-timeout', '24h'],
      model_args: ['--model', '{model}'],
      policy_args: {
        auto_edit: ['--mode', 'accept-edits'],
        yolo: ['--dangerously-skip-permissions'],
      },
      prompt: 'stdin',
      output: 'json',
      answer: 'response',
      error: 'error',
      usage: 'usage',
    },
    home: { directory: '.gemini/antigravity-cli' },
    pass_env: ['DBUS_SESSION_BUS_ADDRESS', 'XDG_RUNTIME_DIR'],
    env: { AGY_CLI_DISABLE_AUTO_UPDATE: 'true' },
    sign_in: {
      env: [],
      files: [],
      shows: 'hidden',
      pattern: /authentication required|not logged into Antigravity|auth timed out/i,
      how: 'run `agy` there once and sign in; its keyring must be open to the node-agent',
    },
    verified: { headless: { level: 'read', version: '1.2' } },
  },
};

/** The preset of a CLI that says its name over ACP. */
export const presetAnnouncing = (name: string | undefined): Preset | undefined =>
  name === undefined ? undefined : Object.values(PRESETS).find(({ announces }) => announces === name);
