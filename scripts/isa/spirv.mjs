/**
 * Compiles the WGSL on standard input with Dawn on the driver in use. Mesa's drivers leave the SPIR-V in the folder that
 * MESA_SPIRV_DUMP_PATH names.
 */
import { readFileSync } from 'node:fs';
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
const gpu = create([]);
const adapter = await gpu.requestAdapter();
const wanted = ['shader-f16', 'subgroups'].filter((feature) => adapter.features.has(feature));
const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize } = adapter.limits;
const device = await adapter.requestDevice({
  requiredFeatures: wanted,
  requiredLimits: { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize },
});
const module = device.createShaderModule({ code: readFileSync(0, 'utf8') });
const { messages } = await module.getCompilationInfo();
for (const { type, lineNum, message } of messages) console.error(`${type}: line ${lineNum}: ${message}`);
await device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint: 'main' } });
device.destroy();
// Dawn's instance would keep the process, and must live until here.
process.exit(gpu === undefined ? 1 : 0);
