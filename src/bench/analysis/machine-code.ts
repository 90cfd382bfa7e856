/**
 * Machine code of a kernel's text for AMD GPUs, with no GPU at hand. Dawn compiles WGSL to SPIR-V on Mesa's lavapipe
 * (scripts/isa/spirv.mjs); Mesa's AMD driver compiles that for a GPU that is not there and counts (scripts/isa/isa.c).
 *
 * Needs Linux, lavapipe and radv (Debian: mesa-vulkan-drivers), a C compiler and Vulkan's headers (gcc, libvulkan-dev).
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FrostlineError } from '../../errors.ts';

/** What AMD's compiler made of a kernel, for one thread where not said otherwise. */
export interface MachineCode {
  /** as Mesa names GPUs: navi31 (RDNA 3), vega10 (GCN 5) */
  readonly family: string;
  /** the text in the GPU's assembly language */
  readonly code: string;
  readonly registers: number;
  /** registers of both kinds that did not fit and lie in memory */
  readonly spilled: number;
  /** bytes of memory for them, and for arrays that are indexed by what is not known */
  readonly scratch: number;
  /** subgroups that a SIMD holds at a time, by registers and workgroup memory */
  readonly subgroups: number;
  /** bytes of a workgroup */
  readonly workgroupMemory: number;
  /** instructions in the text: multiply-adds, loads and stores of memory */
  readonly multiplyAdds: number;
  readonly loads: number;
  readonly stores: number;
  /** multiply-adds for each load from workgroup memory in the block that has the most of them; Infinity without such loads */
  readonly multiplyAddsPerLoad: number;
}

const TOOLS = fileURLToPath(new URL('../../../scripts/isa/', import.meta.url));
const DRIVERS = '/usr/share/vulkan/icd.d';

function manifest(name: string): string | undefined {
  const files = existsSync(DRIVERS) ? readdirSync(DRIVERS) : [];
  const found = files.find((file) => new RegExp(`^${name}_icd.*\\.json$`).test(file));
  return found && join(DRIVERS, found);
}

/** What is missing here for `machineCode`, in words; undefined where nothing is. */
export function missingForMachineCode(): string | undefined {
  if (process.platform !== 'linux') return 'Linux';
  if (manifest('lvp') === undefined) return 'lavapipe (mesa-vulkan-drivers)';
  if (manifest('radeon') === undefined) return 'radv (mesa-vulkan-drivers)';
  if (spawnSync('cc', ['--version']).status !== 0) return 'a C compiler (gcc)';
  if (!existsSync('/usr/include/vulkan/vulkan.h')) return "Vulkan's headers (libvulkan-dev)";
  return undefined;
}

/** GPUs that Mesa 25 has a compiler for, by its names; another release may have fewer, or more. */
const FAMILIES = [
  'tahiti, pitcairn, verde, oland, hainan, bonaire, kaveri, hawaii, tonga, iceland, carrizo, fiji, stoney',
  'polaris10, polaris11, polaris12, vegam, vega10, vega12, vega20, raven, raven2, renoir, mi100',
  'navi10, navi12, navi14, navi21, navi22, navi23, navi24, vangogh, rembrandt, raphael_mendocino',
  'navi31, navi32, navi33, phoenix, gfx1150, gfx1151, gfx1200, gfx1201',
].join(', ');

function run(program: string, args: readonly string[], env: object, input?: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    input,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new FrostlineError(`machine code: ${program} ended with ${status}:\n${stderr}`);
  return stdout;
}

let folder: string | undefined;
/** The folder with the compiled isa.c, for as long as this process lives. */
function toolFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'frostline-isa-'));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    run('cc', ['-O1', '-o', join(made, 'isa'), join(TOOLS, 'isa.c'), '-lvulkan'], {});
    folder = made;
  }
  return folder;
}

const driver = (name: string) => ({ VK_DRIVER_FILES: manifest(name), VK_ICD_FILENAMES: manifest(name) });

/** What isa.c prints, head and code. @throws FrostlineError with the known ones for a GPU that the driver does not know */
function compiled(family: string, tool: () => string): string[] {
  try {
    return tool().split('\n---\n');
  } catch (error) {
    if (!(error instanceof FrostlineError && /unknown family/i.test(error.message))) throw error;
    throw new FrostlineError(
      `machine code: Mesa's radv here knows no GPU '${family}'. Give --family one that it knows, of ${FAMILIES}.`,
    );
  }
}

/**
 * @param wgsl with one entry point, `main`
 * @param family as RADV_FORCE_FAMILY names GPUs
 * @throws FrostlineError where a tool is missing (`missingForMachineCode`) or fails, and for a family that the driver has not
 */
export function machineCode(wgsl: string, family = 'navi31'): MachineCode {
  const missing = missingForMachineCode();
  if (missing !== undefined) throw new FrostlineError(`machine code needs ${missing}. Install it.`);
  const tools = toolFolder();
  const dump = mkdtempSync(join(tools, 'spirv-'));
  const env = { XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir(), MESA_SHADER_CACHE_DISABLE: 'true' };
  const toSpirv = { ...env, ...driver('lvp'), MESA_SPIRV_DUMP_PATH: dump };
  run(process.execPath, [join(TOOLS, 'spirv.mjs')], toSpirv, wgsl);
  const spirv = readdirSync(dump).find((name) => name.endsWith('.spirv'));
  if (spirv === undefined) throw new FrostlineError('machine code: Mesa wrote no SPIR-V (MESA_SPIRV_DUMP_PATH).');
  const toCode = { ...env, ...driver('radeon'), RADV_FORCE_FAMILY: family };
  const [head, code = ''] = compiled(family, () =>
    run(join(tools, 'isa'), [join(dump, spirv), 'dawn_entry_point'], toCode),
  );
  const numbers = new Map(head.split('\n').map((line) => line.split('\t') as [string, string]));
  const statistic = (name: string) => {
    const value = Number(numbers.get(name));
    if (!Number.isInteger(value)) throw new FrostlineError(`machine code: the driver does not tell ${name}.`);
    return value;
  };
  return {
    family,
    code,
    registers: statistic('VGPRs'),
    spilled: statistic('Spilled SGPRs') + statistic('Spilled VGPRs'),
    scratch: statistic('Scratch size'),
    subgroups: statistic('Subgroups per SIMD'),
    workgroupMemory: statistic('LDS size'),
    ...instructionsOf(code),
  };
}

const MULTIPLY_ADD = /v_(dual_)?(fma|fmac|fmaak|fmamk|mac|mad)\w*_f32/g;
const LOAD_OF_WORKGROUP_MEMORY = /ds_(load|read)\w*/g;

function instructionsOf(code: string) {
  const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;
  const blocks = code
    .split(/^BB\d+:/m)
    .map((text) => ({ multiplyAdds: count(text, MULTIPLY_ADD), loads: count(text, LOAD_OF_WORKGROUP_MEMORY) }));
  const hottest = blocks.reduce((most, block) => (block.multiplyAdds > most.multiplyAdds ? block : most));
  return {
    multiplyAdds: count(code, MULTIPLY_ADD),
    multiplyAddsPerLoad: hottest.loads === 0 ? Number.POSITIVE_INFINITY : hottest.multiplyAdds / hottest.loads,
    loads: count(code, /(buffer|global)_load\w*/g),
    stores: count(code, /(buffer|global)_store\w*/g),
  };
}
