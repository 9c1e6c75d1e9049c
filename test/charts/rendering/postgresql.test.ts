// The renderings of the chart of PostgreSQL.
import { testRendering } from '../rendering.ts';

testRendering('postgresql');
