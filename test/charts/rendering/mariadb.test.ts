// The renderings of the chart of MariaDB.
import { testRendering } from '../rendering.ts';

testRendering('mariadb');
