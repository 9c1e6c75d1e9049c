// The renderings of the chart of Redis.
import { testRendering } from '../rendering.ts';

testRendering('redis');
