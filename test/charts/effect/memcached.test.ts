// The documented values of the chart of Memcached have an effect.
import { testEffect } from '../effect.ts';

testEffect('memcached');
