// The documented values of the chart of Apache have an effect.
import { testEffect } from '../effect.ts';

testEffect('apache');
