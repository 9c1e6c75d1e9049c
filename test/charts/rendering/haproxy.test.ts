// The renderings of the chart of HAProxy.
import { testRendering } from '../rendering.ts';

testRendering('haproxy');
