/** Before `npm pack`: installs what is missing, and builds anew, so that the package holds nothing of an older build. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build, install, root } from './prepare.mjs';

install();
rmSync(join(root, 'dist'), { recursive: true, force: true });
build();
