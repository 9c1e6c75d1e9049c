// The renderings of the chart of nginx.
import { testRendering } from '../rendering.ts';

testRendering('nginx');
