// The documented values of the chart of RabbitMQ have an effect.
import { testEffect } from '../effect.ts';

testEffect('rabbitmq');
