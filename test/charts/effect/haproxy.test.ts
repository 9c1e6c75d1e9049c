// The documented values of the chart of HAProxy have an effect.
import { testEffect } from '../effect.ts';

testEffect('haproxy');
