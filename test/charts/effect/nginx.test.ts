// The documented values of the chart of nginx have an effect.
import { testEffect } from '../effect.ts';

testEffect('nginx');
