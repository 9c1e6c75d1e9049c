// The documented values of the chart of Redis have an effect.
import { testEffect } from '../effect.ts';

testEffect('redis');
