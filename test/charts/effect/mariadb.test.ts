// The documented values of the chart of MariaDB have an effect.
import { testEffect } from '../effect.ts';

testEffect('mariadb');
