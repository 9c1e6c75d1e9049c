// The renderings of the chart of Apache.
import { testRendering } from '../rendering.ts';

testRendering('apache');
