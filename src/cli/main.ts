#!/usr/bin/env node
/** The `frostline` command. */
import { runProcess } from './process.ts';
import { registry } from './registry.ts';

await runProcess(registry);
